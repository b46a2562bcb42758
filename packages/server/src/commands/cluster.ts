import { join, resolve } from 'node:path';
import type { Env } from '@holdfast/env';
import { createNodeEnv } from '@holdfast/env/node';
import { IDENTITY_FILE } from '@holdfast/kv';
import { type ClusterRequest, type ClusterView, memberOf } from '../cluster/cluster-requests.ts';
import { canHaveControlSocket, controlPath, requestOfCluster } from '../control-socket.ts';
import { reportFailure } from '../failure.ts';
import { PORTS_FILE } from '../folder-use.ts';
import type { ExitCode, Terminal } from '../terminal.ts';

export interface ClusterCommandOptions {
  /** Data folder of a node. */
  readonly data: string;
  readonly json: boolean;
}

/**
 * Asks the node that runs on the data folder, and prints how the cluster is afterwards. Exits with 1 where nothing answers, or
 * where the status is that of a cluster without a leader.
 */
export async function cluster(
  terminal: Terminal,
  asked: ClusterRequest,
  options: ClusterCommandOptions,
): Promise<ExitCode> {
  if (asked.do === 'add') memberOf(asked.member);
  const directory = resolve(terminal.workingDirectory, options.data);
  const path = controlPath(directory);
  const view = canHaveControlSocket(path) ? await requestOfCluster(path, asked) : undefined;
  if (view === undefined) {
    return await tellWhyNobodyAnswers(terminal, directory);
  }
  terminal.print(options.json ? `${JSON.stringify(view)}\n` : viewText(view));
  // Why: after a transfer was agreed on, or the leader was removed, nobody leads for a moment, and the command has done its work.
  return asked.do === 'status' && view.leaderId === undefined ? 1 : 0;
}

async function tellWhyNobodyAnswers(terminal: Terminal, directory: string): Promise<ExitCode> {
  const env = await createNodeEnv();
  try {
    terminal.printError(`holdfast: ${await whyNobodyAnswers(env, directory)}\n`);
    return 1;
  } catch (error) {
    return reportFailure(terminal, error, { directory });
  } finally {
    await env.digests.close();
  }
}

async function whyNobodyAnswers(env: Env, directory: string): Promise<string> {
  const has = async (path: string): Promise<boolean> => (await env.files.stat(path)) !== undefined;
  if (!(await has(`${directory}/${IDENTITY_FILE}`))) {
    return (await has(`${directory}/${PORTS_FILE}`))
      ? `${directory} is the folder of a whole cluster: name that of one of its nodes with --data, such as ${join(directory, 'n1')}.`
      : `There is no store in ${directory}. Name the data folder of a node that runs with --data.`;
  }
  const path = controlPath(directory);
  if (!canHaveControlSocket(path)) {
    return `A node of ${directory} cannot be asked: there are no sockets for commands on Windows, nor where their path (${path}) has more than 103 bytes.`;
  }
  const advice = 'Start it, or name the data folder of one that runs with --data.';
  return (await has(path))
    ? `No node runs on ${directory}: the last one was killed, and has left ${path} behind. ${advice}`
    : `No node runs on ${directory}, or it has logged that it has no socket for commands. ${advice}`;
}

/** A line for the cluster, and one for each member. */
function viewText(view: ClusterView): string {
  const leader = view.leaderId === undefined ? 'no leader is known' : `${view.leaderId} leads`;
  const change = view.isChanging ? ', its members are being changed' : '';
  const lines = view.members.map(({ nodeId, role, address, isConnected, matchIndex }) => {
    const link = nodeId === view.nodeId ? 'this node' : isConnected ? 'connected' : 'NOT CONNECTED';
    const has = matchIndex === undefined ? '' : `  has ${matchIndex}`;
    return `  ${nodeId.padEnd(10)} ${role.padEnd(8)} ${(address ?? '-').padEnd(22)} ${link}${has}`;
  });
  return [
    `cluster ${view.clusterId}: ${leader} in term ${view.term}${change}`,
    `seen by ${view.nodeId}: ${view.commitIndex} agreed on, ${view.appliedIndex} applied`,
    ...lines,
    ...(view.isRemoved
      ? [
          `${view.nodeId} was removed from the cluster; "cluster add" on the leader takes it in again`,
        ]
      : []),
    '',
  ].join('\n');
}
