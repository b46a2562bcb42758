import type { Cluster } from './cluster.ts';
import { runHoldfast } from './command.ts';
import { waitUntil } from './wait-until.ts';

/** What the holder of a data folder is told of its cluster. */
export interface View {
  readonly leaderId?: string;
  readonly clusterId: string;
  readonly appliedIndex: number;
  readonly members: readonly { readonly nodeId: string; readonly role: string }[];
}

export async function viewOf(cluster: Cluster, at: number): Promise<View> {
  const words = ['cluster', 'status', '--json', '--data', cluster.folder(at)];
  return JSON.parse((await runHoldfast(words)).output) as View;
}

/** Starts a node with an empty folder and lets the first one, which leads, make it a voter. */
export async function takeIn(cluster: Cluster, at: number, clusterId: string): Promise<void> {
  const data = ['--data', cluster.folder(0)];
  cluster.spawn(at, ['--cluster-id', clusterId]);
  await waitUntil('the new node is a member', async () => {
    await runHoldfast(['cluster', 'add', cluster.member(at), ...data]);
    const { members } = await viewOf(cluster, 0);
    return members.some(({ nodeId }) => nodeId === `n${at + 1}`);
  });
  await cluster.node(at).ready();
  await waitUntil('the new node has enough to be a voter', async () => {
    const words = ['cluster', 'promote', `n${at + 1}`, ...data];
    return (await runHoldfast(words)).exitCode === 0;
  });
}
