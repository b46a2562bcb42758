import type { Command } from 'commander';
import type { ClusterRequest } from './cluster/cluster-requests.ts';
import type { ClusterCommandOptions } from './commands/cluster.ts';
import type { RecoverQuorumOptions } from './commands/recover-quorum.ts';
import type { ExitCode, Terminal } from './terminal.ts';

type SetExitCode = (code: ExitCode) => void;

/** Adds `up`, `demo` and `cluster`. */
export function addClusterCommands(
  program: Command,
  terminal: Terminal,
  setExitCode: SetExitCode,
): void {
  addUp(program, terminal, setExitCode);
  addSecret(program, terminal, setExitCode);
  addCluster(program, terminal, setExitCode);
  addDemo(program, terminal, setExitCode);
}

function addUp(program: Command, terminal: Terminal, setExitCode: SetExitCode): void {
  program
    .command('up')
    .description('Run a whole cluster on this machine, each node as a process of its own.')
    .option('--nodes <count>', 'So many nodes.', '3')
    .option('--data <folder>', 'Keep all of them in this folder.', './holdfast-cluster')
    .option('--port <number>', 'S3 port of the first node, the others follow; 0: any free.', '9000')
    .option('--peer-port <number>', 'The same for the ports between the nodes.', '0')
    .option('--bucket <names...>', 'Make these buckets, if they are missing.', [])
    .option('--log-level <level>', 'Log error, warn, info or debug.', 'warn')
    .addHelpText(
      'after',
      `
A secret for the nodes, a key that seals stored secrets and a key pair for clients are made in the folder, once, and
only its owner can read them. A node that is killed is started again. SIGTERM or Ctrl-C stops all.

Examples:
  holdfast up --nodes 3 --data ./holdfast-cluster
  holdfast up --port 0`,
    )
    .action(async (options: Record<string, unknown>) => {
      const { up } = await import('./commands/up.ts');
      setExitCode(await up(terminal, options));
    });
}

function addSecret(program: Command, terminal: Terminal, setExitCode: SetExitCode): void {
  program
    .command('secret')
    .description('Make the file that all nodes of a cluster know, unless it is there already.')
    .argument('<file>', 'Where. Only its owner can read it.')
    .addHelpText('after', '\nExample:\n  holdfast secret /etc/holdfast/cluster-secret')
    .action(async (file: string) => {
      const { secret } = await import('./commands/secret.ts');
      setExitCode(await secret(terminal, file));
    });
}

function addCluster(program: Command, terminal: Terminal, setExitCode: SetExitCode): void {
  const cluster = program
    .command('cluster')
    .description(
      'Look at a running cluster, or change who belongs to it, through one of its nodes.',
    )
    .addHelpText(
      'after',
      `
A node is asked through a socket in its data folder, so by its owner on its machine. What changes something is asked of
the leader. recover-quorum alone is for a node that is stopped.

Examples:
  holdfast cluster status --data /srv/holdfast
  holdfast cluster add n4=10.0.0.4:9400 --data /srv/holdfast
  holdfast cluster promote n4 --data /srv/holdfast
  holdfast cluster remove n1 --data /srv/holdfast`,
    );
  const add = (
    usage: string,
    description: string,
    requestOf: (word: string) => ClusterRequest,
  ): void => {
    const command = cluster.command(usage).description(description);
    command
      .option('--data <folder>', 'Ask the node with this data folder.', './holdfast-data')
      .option('--json', 'Print one JSON object.', false)
      .action(async (...given: unknown[]) => {
        const word = typeof given[0] === 'string' ? given[0] : '';
        const { cluster: run } = await import('./commands/cluster.ts');
        setExitCode(await run(terminal, requestOf(word), command.opts<ClusterCommandOptions>()));
      });
  };
  add('status', 'Print who belongs to it, who leads, and who is behind.', () => ({ do: 'status' }));
  add('add <member>', 'Take NAME=HOST:PORT in as a learner: it gets everything.', (member) => ({
    do: 'add',
    member,
  }));
  add('promote <node>', 'Let the vote of a learner that has everything count.', (node) => ({
    do: 'promote',
    node,
  }));
  add('remove <node>', 'Take a node out.', (node) => ({ do: 'remove', node }));
  add('transfer-leader [node]', 'Let another node lead.', (node) => ({
    do: 'transfer-leader',
    ...(node !== '' && { to: node }),
  }));
  addRecoverQuorum(cluster, terminal, setExitCode);
}

function addRecoverQuorum(cluster: Command, terminal: Terminal, setExitCode: SetExitCode): void {
  cluster
    .command('recover-quorum')
    .description(
      'When no majority will ever come back: make a stopped node that is left a cluster of its own. Writes may be lost.',
    )
    .option('--data <folder>', 'The data folder of the node.', './holdfast-data')
    .option(
      '--confirm <cluster id>',
      'Do it, and give this cluster up. Without it: only say what may be lost.',
    )
    .option('--json', 'Print one JSON object a line.', false)
    .addHelpText(
      'after',
      `
Prints what the node has and what may be lost, changes nothing, and exits with 1; with --confirm it does what it says.
The node gets a new cluster id, so no other node of the old cluster can ever speak to it.

Examples:
  holdfast cluster recover-quorum --data /srv/holdfast
  holdfast cluster recover-quorum --data /srv/holdfast --confirm 5d41402abc4b2a76b9719d911017c592`,
    )
    .action(async (options: RecoverQuorumOptions) => {
      const { recoverQuorumOf } = await import('./commands/recover-quorum.ts');
      setExitCode(await recoverQuorumOf(terminal, options));
    });
}

function addDemo(program: Command, terminal: Terminal, setExitCode: SetExitCode): void {
  program
    .command('demo')
    .description('See what Holdfast does.')
    .command('raft')
    .description(
      'Three processes: a put is seen on all, the leader is killed, another one is elected.',
    )
    .option('--data <folder>', 'Keep the nodes in this folder. Default: a temporary one.')
    .addHelpText('after', '\nExample:\n  holdfast demo raft')
    .action(async (options: { readonly data?: string }) => {
      const { demoRaft } = await import('./commands/demo-raft.ts');
      setExitCode(await demoRaft(terminal, options));
    });
}
