/** After the faults: whether everything works again, and nothing was lost. */
import type { ObjectWorkload } from './object-workload.ts';
import type { SimulatedCluster } from './simulated-cluster.ts';
import type { SimulatedNode } from './simulated-node.ts';
import { KEYS, type Workload } from './workload.ts';

/** How long a healed cluster may take to agree, to answer, and to be the same everywhere. */
export const LIVENESS_MS = 60_000;
const MOST_TRIES = 5;

/** A healed cluster answers on every member, and has the same everywhere. */
export async function converge(world: Healed): Promise<void> {
  const { cluster, violate, isBroken } = world;
  const { time } = cluster;
  const leads = (): boolean => cluster.leader() !== undefined;
  const waitForLeader = (): Promise<boolean> =>
    time.runUntil(() => isBroken() || leads(), LIVENESS_MS);
  if (!(await waitForLeader())) return violate('a healed cluster has no leader');
  for (const node of cluster.nodes) if (node.isRotten) await mend(world, node);
  // Who was replaced may have led.
  await waitForLeader();
  const leader = cluster.leader();
  if (leader === undefined) return violate('a mended cluster has no leader');
  const members = new Set<string>(leader.cluster.status().members.map(({ nodeId }) => nodeId));
  const nodes = cluster.nodes.filter(({ name }) => members.has(name));
  // Why again: what is left over of objects is swept meanwhile.
  for (let attempt = 1; ; attempt++) {
    const contents = new Set<string>();
    for (const node of nodes) {
      const { text, problem } = await contentOf(world, node);
      if (text === undefined) return violate(`a healed cluster: ${node.name} ${problem}`);
      contents.add(text);
    }
    if (contents.size === 1) break;
    if (attempt === MOST_TRIES) return violate('a healed cluster has not the same on every node');
    await time.run(LIVENESS_MS / MOST_TRIES);
  }
  for (const node of nodes) {
    for (const key of KEYS) {
      await finish(world, world.workload.read(`reader of ${node.name}`, key, node));
    }
  }
  if (world.objects !== undefined) await verifyObjects(world, world.objects, nodes);
}

export interface Healed {
  readonly cluster: SimulatedCluster;
  readonly workload: Workload;
  readonly objects: ObjectWorkload | undefined;
  readonly violate: (what: string) => void;
  readonly isBroken: () => boolean;
}

/** Every object is whole on every node, before and after what is left over was collected. */
async function verifyObjects(
  world: Healed,
  objects: ObjectWorkload,
  nodes: readonly SimulatedNode[],
): Promise<void> {
  const { violate } = world;
  for (const node of nodes) {
    if (!(await finish(world, objects.verify(node)))) violate(`${node.name} does not read objects`);
  }
  const [node] = nodes;
  if (node?.objects === undefined) return;
  const collected = node.objects.collectGarbage().then(
    () => undefined,
    (error: unknown) => violate(`garbage could not be collected: ${String(error)}`),
  );
  if (!(await finish(world, collected))) violate('garbage was not collected in time');
  await finish(world, objects.verify(node));
}

/** A machine whose disk was damaged has all of it again, had from others, or is replaced. */
async function mend(world: Healed, node: SimulatedNode): Promise<void> {
  const { cluster, violate } = world;
  const isWhole = !node.isBeyondRepair && (await contentOf(world, node)).text !== undefined;
  if (isWhole || node.isRetired) return;
  if (!(await finish(world, cluster.replace(node)))) {
    violate(`${node.name}, whose disk is damaged, could not be replaced`);
  }
}

/** All that a node has, in words; or why it does not say so. */
async function contentOf(
  world: Healed,
  node: SimulatedNode,
): Promise<{ readonly text?: string; readonly problem: string }> {
  let text: string | undefined;
  let problem = 'does not answer';
  for (let attempt = 0; attempt < MOST_TRIES && text === undefined; attempt++) {
    await world.cluster.time.runUntil(
      () => world.isBroken() || node.replica !== undefined || node.isBeyondRepair,
      LIVENESS_MS,
    );
    const store = node.replica?.store;
    if (store === undefined) return { problem: 'is not up' };
    const scan = store.scan({ limit: 100_000 }).then(
      ({ entries }) => {
        text = entries
          .map(({ key, version, value }) => [key, version, value].map(String).join(' '))
          .join('\n');
      },
      (error: unknown) => {
        problem = String(error);
      },
    );
    await finish(world, scan);
  }
  return text === undefined ? { problem } : { text, problem };
}

/** Lets time go on until the work is done; whether it was in time. */
async function finish({ cluster, isBroken }: Healed, work: Promise<unknown>): Promise<boolean> {
  let isDone = false;
  void work.finally(() => {
    isDone = true;
  });
  await cluster.time.runUntil(() => isBroken() || isDone, LIVENESS_MS);
  return isDone;
}
