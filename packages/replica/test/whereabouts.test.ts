/** Who leads, or stands for it, and where that is not known to a member that was away (ADR 0040). */
import { utf8 } from '@holdfast/bytes';
import { expect, test } from 'vitest';
import type { ReplicaSettings } from '../src/index.ts';
import { askMember } from './fixtures/ask-member.ts';
import { MemoryCluster } from './fixtures/memory-cluster.ts';

/** A leader soon releases what a member that is away lacks. */
const SHORT_LOG: ReplicaSettings = {
  store: {
    reserveSizeBytes: 0,
    memtableSizeBytes: 32 * 1024,
    replaySizeBytes: 32 * 1024,
    wal: { segmentSizeBytes: 64 * 1024, preallocate: false },
  },
  retainedLogBytes: 1,
  checkpointEntries: 16,
};
const ELSEWHERE = { host: 'memory', port: 7099 };

async function load(cluster: MemoryCluster, name: string): Promise<void> {
  for (let at = 0; at < 120; at++) {
    const value = new Uint8Array(at % 3 === 0 ? 100 : 5000).fill(at);
    const operations = [{ kind: 'put' as const, key: utf8(`key-${at % 40}`), value }];
    await cluster.until(cluster.replica(name).store.transact({ operations }));
  }
}

async function takenIn(cluster: MemoryCluster, name: string): Promise<void> {
  const leader = await cluster.leader();
  await cluster.until(leader.cluster.add(name, ELSEWHERE));
  const { cluster: learner } = cluster.replica(name);
  const { lastIndex } = leader.cluster.status();
  await cluster.untilTrue(() => learner.status().appliedIndex >= lastIndex, 'what it is to have');
  await cluster.until((await cluster.leader()).cluster.promote(name));
}

async function led(cluster: MemoryCluster, name: string): Promise<void> {
  await cluster.until((await cluster.leader()).cluster.transferLeader(name));
  await cluster.untilTrue(() => leads(cluster, name), 'that leader');
}

function leads(cluster: MemoryCluster, name: string): boolean {
  return cluster.replica(name).cluster.status().role === 'leader';
}

/** n3 comes back, reaches the leader alone, and gets all that it has. */
async function caughtUp(cluster: MemoryCluster, leader: string): Promise<void> {
  const others = cluster.running.map(({ name }) => name).filter((name) => name !== leader);
  cluster.network.partition(['n3'], others);
  const { cluster: away } = await cluster.start('n3');
  const { lastIndex } = cluster.replica(leader).cluster.status();
  await cluster.untilTrue(() => away.status().appliedIndex >= lastIndex, 'all of it', 10_000);
  expect(leads(cluster, leader)).toBe(true);
  expect(await contentsAt(cluster, 'n3')).toEqual(await contentsAt(cluster, leader));
}

async function contentsAt(cluster: MemoryCluster, name: string): Promise<string[]> {
  const { entries } = await cluster.until(cluster.replica(name).store.scan({ limit: 100 }));
  return entries.map(({ key, value }) => `${Buffer.from(key).toString()} ${value[0]}`);
}

/** n3 is down, and what it lacks is in no log any more. */
async function withOneAway(): Promise<MemoryCluster> {
  const cluster = await MemoryCluster.open({ settings: SHORT_LOG, size: 4 });
  await load(cluster, 'n1');
  await cluster.crash('n3');
  await load(cluster, 'n1');
  return cluster;
}

test('a member that was away gets what it lacks from a leader that was taken in meanwhile', async () => {
  const cluster = await withOneAway();
  await cluster.start('n5', { address: ELSEWHERE });
  await takenIn(cluster, 'n5');
  await led(cluster, 'n5');
  await caughtUp(cluster, 'n5');
  await cluster.close();
});

test('so it does where a leader has moved meanwhile', async () => {
  const cluster = await withOneAway();
  await cluster.until((await cluster.leader()).cluster.remove('n2'));
  await cluster.wipe('n2');
  await cluster.start('n2', { address: ELSEWHERE });
  await takenIn(cluster, 'n2');
  await led(cluster, 'n2');
  await caughtUp(cluster, 'n2');
  await cluster.close();
});

test('a node that comes back at another address is found there by those that knew it elsewhere', async () => {
  const cluster = await MemoryCluster.open();
  const name = cluster.nameOf(await cluster.follower());
  await cluster.stop(name);
  await cluster.start(name, { address: ELSEWHERE });
  const others = cluster.running.filter((node) => node.name !== name);
  const isFound = (): boolean =>
    others.every(({ replica }) =>
      replica?.cluster.status().members.every(({ isConnected }) => isConnected),
    );
  await cluster.run(1000);
  expect(isFound()).toBe(false);
  await cluster.untilTrue(isFound, 'way to it', 10_000);
  for (const { replica } of others) {
    const { members = [] } = replica?.cluster.status() ?? {};
    expect(members.find(({ nodeId }) => nodeId === name)?.address).toEqual(ELSEWHERE);
  }
  await cluster.until((await cluster.leader()).cluster.transferLeader(name));
  await cluster.untilTrue(() => leads(cluster, name), 'that leader');
  await cluster.close();
});

test('it gives its vote to one that was taken in meanwhile, where nobody else can lead', async () => {
  const cluster = await withOneAway();
  await cluster.start('n5', { address: ELSEWHERE });
  await takenIn(cluster, 'n5');
  await led(cluster, 'n5');
  await cluster.crash('n4');
  await load(cluster, 'n5');
  for (const name of ['n1', 'n2', 'n5']) await cluster.crash(name);
  await cluster.start('n3');
  await cluster.start('n4');
  // Three of five: n3 and n4 have less.
  await cluster.start('n5', { address: ELSEWHERE });
  await cluster.untilTrue(() => leads(cluster, 'n5'), 'that leader');
  await cluster.close();
});

test.each([
  ['n3', 'was removed by hand', 0],
  ['n4', 'voter', 2],
  ['n9', 'none', 2],
])('%s says where it is, and is told: %s', async (name, answer, ways) => {
  const cluster = await MemoryCluster.open({ size: 5 });
  await cluster.stop('n3');
  await cluster.stop('n4');
  const leader = await cluster.leader();
  await cluster.until(leader.cluster.remove('n3'));
  const network = cluster.network.node(name);
  let accepted = 0;
  await network.listen(ELSEWHERE, () => accepted++);
  const question = { type: 'address', address: ELSEWHERE } as const;
  expect(await askMember(cluster, name, cluster.nameOf(leader), question)).toContain(answer);
  await cluster.run(3000);
  expect(accepted).toBe(ways);
  await network.close();
  await cluster.close();
});
