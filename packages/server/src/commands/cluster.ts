import { resolve } from 'node:path';
import { type ClusterRequest, type ClusterView, memberOf } from '../cluster/cluster-requests.ts';
import { canHaveControlSocket, controlPath, requestOfCluster } from '../control-socket.ts';
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
    terminal.printError(
      `holdfast: no node answers in ${directory}. Name the data folder of one that runs with --data.\n`,
    );
    return 1;
  }
  terminal.print(options.json ? `${JSON.stringify(view)}\n` : viewText(view));
  // Why: after a transfer was agreed on, or the leader was removed, nobody leads for a moment, and the command has done its work.
  return asked.do === 'status' && view.leaderId === undefined ? 1 : 0;
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
