import { Command, CommanderError, Option } from 'commander';
import { addBackup } from './backup-commands.ts';
import { addClusterCommands } from './cluster-commands.ts';
import type { StatsOptions } from './commands/stats.ts';
import { reportFailure } from './failure.ts';
import { addKeys } from './key-commands.ts';
import type { ExitCode, Terminal } from './terminal.ts';
import { refuseUnusedOptions } from './used-options.ts';
import { readVersion } from './version.ts';

/** Runs the command that the arguments name. Resolves when it has ended; never rejects. */
export async function runCommandLine(terminal: Terminal): Promise<ExitCode> {
  let exitCode: ExitCode = 0;
  const program = await buildProgram(terminal, (code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync(terminal.arguments, { from: 'user' });
    return exitCode;
  } catch (error) {
    // Commander has printed its message by itself; help and version are no failures.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    return reportFailure(terminal, error);
  }
}

async function buildProgram(
  terminal: Terminal,
  setExitCode: (code: ExitCode) => void,
): Promise<Command> {
  const version = await readVersion();
  const program = new Command('holdfast')
    .description(
      'An S3-compatible object store for your own machines.\n' +
        'A write is acknowledged when it is on disk, and not before.',
    )
    .version(version, '--version', 'Print the version.')
    .helpOption('-h, --help', 'Show this help.')
    .helpCommand(false)
    .exitOverride()
    .showHelpAfterError('Run "holdfast --help" to see what there is.')
    .configureOutput({ writeOut: terminal.print, writeErr: terminal.printError })
    .addHelpText(
      'after',
      `
Examples:
  holdfast serve
      Start on http://127.0.0.1:9000 with the data in ./holdfast-data.
  holdfast serve --data /srv/holdfast --port 9100 --bucket photos,backups
      Start elsewhere, with two buckets made.
  holdfast wal inspect /srv/holdfast
      Look at the log of a store that is stopped.`,
    );
  addServe(program, terminal, setExitCode);
  addClusterCommands(program, terminal, setExitCode);
  addKv(program, terminal, setExitCode);
  addWal(program, terminal, setExitCode);
  addTable(program, terminal, setExitCode);
  addManifest(program, terminal, setExitCode);
  addVerify(program, terminal, setExitCode);
  addGc(program, terminal, setExitCode);
  addBackup(program, terminal, setExitCode);
  addKeys(program, terminal, setExitCode);
  addStats(program, terminal, setExitCode);
  addSalvage(program, terminal, setExitCode);
  addHealthcheck(program, terminal, setExitCode);
  addHelp(program);
  program.hook('preAction', (_, command) => refuseUnusedOptions(command));
  program
    .command('version')
    .description('Print the version.')
    .action(() => terminal.print(`${version}\n`));
  return program;
}

type SalvageOptions = { readonly data: string; readonly to: string; readonly json: boolean };
type SetExitCode = (code: ExitCode) => void;

/** Why not Commander's own: it shows the help of `backup` for `help backup verify`, and never says that a word means nothing. */
function addHelp(program: Command): void {
  program
    .command('help')
    .description('Show the help of a command.')
    .argument('[command...]', 'Its words.')
    .action((words: readonly string[]) => {
      let shown = program;
      for (const word of words) {
        const found = shown.commands.find((each) => each.name() === word);
        if (found === undefined) program.error(`error: unknown command '${word}'`, { exitCode: 2 });
        shown = found;
      }
      shown.help();
    });
}

/** Names with commas between them; the option may also be given several times. */
function listOption(flags: string, description: string): Option {
  return new Option(flags, description)
    .argParser((value: string, earlier: readonly string[]) => [...earlier, value])
    .default([], 'none');
}

function insecureOption(): Option {
  return new Option('--insecure', 'Take any certificate of an https address.').default(false);
}

function addServe(program: Command, terminal: Terminal, setExitCode: SetExitCode): void {
  const serve = program.command('serve');
  addStoreOptions(serve);
  addClusterOptions(serve);
  serve
    .description('Start the S3 server.')
    .addHelpText(
      'after',
      `
The keys are taken from HOLDFAST_ACCESS_KEY and HOLDFAST_SECRET_KEY, or from MINIO_ROOT_USER and
MINIO_ROOT_PASSWORD. If neither is set, a pair is made once and kept in the data folder.
HOLDFAST_NODE, HOLDFAST_CLUSTER, HOLDFAST_CLUSTER_SECRET_FILE, HOLDFAST_PEER_LISTEN, HOLDFAST_JOIN and
HOLDFAST_CLUSTER_ID stand in for the options of these names.

Examples:
  holdfast serve --bucket photos
  HOLDFAST_ACCESS_KEY=me HOLDFAST_SECRET_KEY=a-long-secret holdfast serve --host 0.0.0.0
  holdfast serve --node n1 --cluster n1=10.0.0.1:9400,n2=10.0.0.2:9400,n3=10.0.0.3:9400 \\
      --cluster-secret-file /etc/holdfast/secret --credentials-file /etc/holdfast/keys.json`,
    )
    .action(async (options: Record<string, unknown>) => {
      const { serve: run } = await import('./commands/serve.ts');
      setExitCode(await run(terminal, options));
    });
}

function addStoreOptions(serve: Command): void {
  serve
    .option('--data <folder>', 'Keep everything in this folder.', './holdfast-data')
    .option('--host <address>', 'Listen on this address.', '127.0.0.1')
    .option('--port <number>', 'Listen on this port; 0 takes any free one.', '9000')
    .option('--tls-cert <file>', 'Serve HTTPS with the certificate in this file, in PEM.')
    .option('--tls-key <file>', 'Its private key, in PEM.')
    .addOption(
      listOption('--bucket <names>', 'Make these buckets at the start, if they are missing.'),
    )
    .option('--region <name>', 'Be this region in signatures.', 'us-east-1')
    .addOption(listOption('--domain <names>', 'Accept bucket.domain as the host of a request.'))
    .addOption(
      listOption('--website-domain <names>', 'Serve the websites of buckets at bucket.domain.'),
    )
    .option('--init <file>', 'Store the users of this JSON file, and make its buckets.')
    .option(
      '--master-key-file <file>',
      'Seal stored secrets, and the keys of objects under SSE-S3, with the key in this file.',
    )
    .option('--kms-key-file <file>', 'Take the keys for SSE-KMS from this JSON file.')
    .option('--bucket-acls', 'Make buckets with ACLs on, as S3 did until April 2023.', false)
    .option(
      '--recreate-buckets',
      'Answer 200 to an owner who makes a bucket again, as S3 does in us-east-1.',
      false,
    )
    .option('--answers-as-ceph', "Answer as Ceph's gateway where AWS does otherwise.", false)
    .option(
      '--sse-c-over-http',
      "Take customers' encryption keys from other machines without TLS.",
      false,
    )
    .option('--no-signature-v2', 'Refuse AWS Signature Version 2, with which some clients presign.')
    .option('--collect-every <seconds>', 'Look for unused chunks this often.', '600')
    .option(
      '--lifecycle-day-seconds <seconds>',
      'Count so many seconds as a day of a lifecycle rule: to test rules.',
      '86400',
    )
    .addOption(
      listOption(
        '--webhook <name=url>',
        'Let buckets send events to url as arn:holdfast:webhook::name.',
      ),
    )
    .option('--keep-changes <time>', 'Keep a feed of all changes, for so long: 24h, 7d.')
    .option('--slow-after <milliseconds>', 'Log requests that take longer as slow.', '1000')
    .option(
      '--scrub-rate <bytes>',
      'Read old files for damage at this many bytes a second; 0 for never.',
      '4194304',
    )
    .option(
      '--recovery <policy>',
      'What to do with a damaged folder: fail-closed, or repair-from-peers in a cluster.',
      'fail-closed',
    )
    .option('--backup-to <folder>', 'Back up to this folder by itself.')
    .option('--backup-every <time>', 'Back up this often: 30m, 1h, 1d. Default: 1h.')
    .option('--backup-keep <count>', 'Keep so many backups. Default: 24.')
    .option('--log-level <level>', 'Log error, warn, info or debug.', 'info');
}

function addClusterOptions(serve: Command): void {
  serve
    .option('--credentials-file <file>', 'Take the key pair from this JSON file.')
    .option('--node <name>', 'Be this node of a cluster.')
    .option('--cluster <nodes>', 'All its nodes: n1=HOST:PORT,n2=HOST:PORT,n3=HOST:PORT.')
    .option('--cluster-secret-file <file>', 'What all nodes know: at least 32 random bytes.')
    .option('--peer-listen <address>', 'Take connections of other nodes at this HOST:PORT.')
    .option('--join', 'The cluster is there already, and will be told to add this node.')
    .option(
      '--cluster-id <id>',
      'With --join: the id of a cluster that was recovered from the loss of a quorum.',
    )
    .option('--replace-root-keys', 'The key pair is new: let it take the place of the old.', false)
    .option('--until-input-ends', 'Stop too when the standard input ends.', false);
}

function addKv(program: Command, terminal: Terminal, setExitCode: SetExitCode): void {
  program
    .command('kv')
    .description('Work with the keys and values of a stopped store at a prompt.')
    .option('--data <folder>', 'Open this data folder.', './holdfast-data')
    .option('--create', 'Make a store there, if there is none.', false)
    .addHelpText(
      'after',
      `
Examples:
  holdfast kv --create --data /tmp/scratch
  echo "SIZE" | holdfast kv --data /srv/holdfast`,
    )
    .action(async (options: { readonly data: string; readonly create: boolean }) => {
      const { kv } = await import('./commands/kv.ts');
      setExitCode(await kv(terminal, options));
    });
}

function addWal(program: Command, terminal: Terminal, setExitCode: SetExitCode): void {
  program
    .command('wal')
    .description('Look at the write-ahead log.')
    .command('inspect')
    .description('Print the segments and records of a log and check them. Nothing is changed.')
    .argument('<folder>', 'A data folder, or the log folder in it.')
    .option('--json', 'Print one JSON document instead of a table.', false)
    .addHelpText('after', '\nExample:\n  holdfast wal inspect ./holdfast-data')
    .action(async (folder: string, options: { readonly json: boolean }) => {
      const { walInspect } = await import('./commands/wal-inspect.ts');
      setExitCode(await walInspect(terminal, folder, options));
    });
}

function addTable(program: Command, terminal: Terminal, setExitCode: SetExitCode): void {
  program
    .command('table')
    .description('Look at the sorted tables of the index.')
    .command('inspect')
    .description('Print the parts and blocks of tables and check them. Nothing is changed.')
    .argument('<path>', 'A table, a data folder, or the index folder in it.')
    .option('--json', 'Print one JSON object a line.', false)
    .addHelpText('after', '\nExample:\n  holdfast table inspect ./holdfast-data')
    .action(async (path: string, options: { readonly json: boolean }) => {
      const { tableInspect } = await import('./commands/table-inspect.ts');
      setExitCode(await tableInspect(terminal, path, options));
    });
}

function addManifest(program: Command, terminal: Terminal, setExitCode: SetExitCode): void {
  program
    .command('manifest')
    .description('Look at the MANIFEST: the list of the files of the index.')
    .command('inspect')
    .description('Print the records of a MANIFEST and check them. Nothing is changed.')
    .argument('<folder>', 'A data folder, or the index folder in it.')
    .option('--json', 'Print one JSON object a line.', false)
    .addHelpText('after', '\nExample:\n  holdfast manifest inspect ./holdfast-data')
    .action(async (folder: string, options: { readonly json: boolean }) => {
      const { manifestInspect } = await import('./commands/manifest-inspect.ts');
      setExitCode(await manifestInspect(terminal, folder, options));
    });
}

function addVerify(program: Command, terminal: Terminal, setExitCode: SetExitCode): void {
  program
    .command('verify')
    .description(
      'Read and check everything in a data folder. Nothing is changed; a server may run.',
    )
    .option('--data <folder>', 'Check this data folder.', './holdfast-data')
    .option('--json', 'Print one JSON object a line.', false)
    .addHelpText(
      'after',
      `
Exits with 0 where everything is whole, else with 1. For each damage it says what it means and what to do.

Example:
  holdfast verify --data /srv/holdfast`,
    )
    .action(async (options: { readonly data: string; readonly json: boolean }) => {
      const { verify } = await import('./commands/verify.ts');
      setExitCode(await verify(terminal, options));
    });
}

function addGc(program: Command, terminal: Terminal, setExitCode: SetExitCode): void {
  program
    .command('gc')
    .description(
      'Give back the space of a store that nothing refers to, whether a server runs on it or not.',
    )
    .option('--data <folder>', 'Work on this data folder.', './holdfast-data')
    .option('--now', 'Do it now. A running server does it by itself too, in the background.', false)
    .addHelpText(
      'after',
      `
Deletes chunks of deleted objects and of uploads that never ended, rewrites segments that are mostly
dead, and says how much was given back.

Example:
  holdfast gc --now --data /srv/holdfast`,
    )
    .action(async (options: { readonly data: string; readonly now: boolean }) => {
      const { gc } = await import('./commands/gc.ts');
      setExitCode(await gc(terminal, options));
    });
}

function addStats(program: Command, terminal: Terminal, setExitCode: SetExitCode): void {
  program
    .command('stats')
    .description('Print the numbers of a running server, or of the store in a folder.')
    .option('--url <address>', 'Ask the server at this address.', 'http://127.0.0.1:9000')
    .addOption(
      new Option(
        '--data <folder>',
        'Look at this data folder instead. Nothing is changed.',
      ).conflicts(['url', 'insecure']),
    )
    .addOption(insecureOption())
    .addHelpText(
      'after',
      `
Examples:
  holdfast stats
  holdfast stats --data /srv/holdfast`,
    )
    .action(async (options: StatsOptions) => {
      const { stats } = await import('./commands/stats.ts');
      setExitCode(await stats(terminal, options));
    });
}

function addSalvage(program: Command, terminal: Terminal, setExitCode: SetExitCode): void {
  program
    .command('salvage')
    .description('Copy what still verifies out of a stopped, damaged store into a new one.')
    .option(
      '--data <folder>',
      'The damaged data folder. Nothing in it is changed.',
      './holdfast-data',
    )
    .requiredOption('--to <folder>', 'The new data folder: not there yet, or empty.')
    .option('--json', 'Print one JSON object a line.', false)
    .addHelpText(
      'after',
      `
The copy is a new node of a new cluster. Says what is lost, and exits with 1 if anything is.
Restore a backup instead where there is one.

Example:
  holdfast salvage --data /srv/damaged --to /srv/salvaged`,
    )
    .action(async (options: SalvageOptions) => {
      const { salvage } = await import('./commands/salvage.ts');
      setExitCode(await salvage(terminal, options));
    });
}

function addHealthcheck(program: Command, terminal: Terminal, setExitCode: SetExitCode): void {
  program
    .command('healthcheck')
    .description('Ask a running server whether it is ready. Exits with 0 if it is, else with 1.')
    .option('--url <address>', 'Ask at this address.', 'http://127.0.0.1:9000/_/health/ready')
    .addOption(insecureOption())
    .addHelpText('after', '\nExample:\n  holdfast healthcheck --url http://127.0.0.1:9100')
    .action(async (options: { readonly url: string; readonly insecure: boolean }) => {
      const { healthcheck } = await import('./commands/healthcheck.ts');
      setExitCode(await healthcheck(terminal, options));
    });
}
