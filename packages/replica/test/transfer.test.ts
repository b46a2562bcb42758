import { utf8 } from '@holdfast/bytes';
import { expect, test } from 'vitest';
import type { ReplicaSettings } from '../src/index.ts';
import { MemoryCluster } from './fixtures/memory-cluster.ts';

/** Small enough that a short load fills segments, and that a leader soon releases what a member that is away lacks. */
const SHORT_LOG: ReplicaSettings = {
  store: {
    reserveSizeBytes: 0,
    memtableSizeBytes: 32 * 1024,
    replaySizeBytes: 32 * 1024,
    wal: { segmentSizeBytes: 64 * 1024, preallocate: false },
  },
  retainedLogBytes: 1,
  checkpointEntries: 16,
  transferAnswerLimitMs: 200,
  transfer: {
    checkpointSizeBytes: 16 * 1024,
    chunkSizeBytes: 16 * 1024,
    windowSizeBytes: 64 * 1024,
  },
};

function put(key: string, sizeBytes: number) {
  const value = new Uint8Array(sizeBytes).fill(key.charCodeAt(key.length - 1));
  return { operations: [{ kind: 'put' as const, key: utf8(key), value }] };
}

async function load(cluster: MemoryCluster, name: string, prefix: string, count: number) {
  for (let at = 0; at < count; at++) {
    const { store } = cluster.replica(name);
    const key = `${prefix}-${at % 40}`;
    await cluster.until(store.transact(put(key, at % 3 === 0 ? 100 : 5000)));
  }
}

/** Everything in a node's own state, as it is there now. */
async function contentsAt(cluster: MemoryCluster, name: string): Promise<string[]> {
  const { store } = cluster.replica(name);
  const { entries } = await cluster.until(store.scan({ limit: 1000 }));
  return entries.map(({ key, version, value }) => {
    const first = value[0] ?? 0;
    expect(value.every((byte) => byte === first)).toBe(true);
    return `${Buffer.from(key).toString()} ${version} ${value.length}x${first}`;
  });
}

function firstIndexOf(cluster: MemoryCluster, name: string): number {
  return cluster.replica(name).cluster.status().firstIndex;
}

async function mustAgree(cluster: MemoryCluster, names: readonly string[]): Promise<void> {
  const [first = '', ...others] = names;
  const expected = await contentsAt(cluster, first);
  for (const name of others) expect(await contentsAt(cluster, name)).toEqual(expected);
  for (const { failures } of cluster.nodes.values()) expect(failures).toEqual([]);
}

test('a node that was away until the log was released gets the state of another, and goes on', async () => {
  const cluster = await MemoryCluster.open({ settings: SHORT_LOG });
  await load(cluster, 'n1', 'early', 20);
  await cluster.crash('n3');
  const lastSeen = cluster.replica('n1').cluster.status().lastIndex;
  await load(cluster, 'n1', 'late', 120);
  const leader = cluster.nameOf(await cluster.leader());
  expect(firstIndexOf(cluster, leader)).toBeGreaterThan(lastSeen + 1);
  await cluster.start('n3');
  await mustAgree(cluster, ['n1', 'n2', 'n3']);
  expect(firstIndexOf(cluster, 'n3')).toBeGreaterThan(lastSeen + 1);
  await load(cluster, 'n3', 'after', 10);
  await cluster.crash('n3');
  await cluster.start('n3');
  await mustAgree(cluster, ['n1', 'n2', 'n3']);
  await cluster.close();
});

/** n3 has the state of another, and no room to list it. */
async function withoutRoomToList(): Promise<{ cluster: MemoryCluster; giveRoom: () => void }> {
  const cluster = await MemoryCluster.open({ settings: SHORT_LOG });
  await load(cluster, 'n1', 'early', 20);
  await cluster.crash('n3');
  await load(cluster, 'n1', 'late', 120);
  await cluster.start('n3');
  let isReady = false;
  let tries = 0;
  const full = cluster.node('n3').env.files.failWhen({
    when: ({ kind, path }) => {
      isReady ||= kind === 'link';
      const isCommit = isReady && kind === 'write' && path.endsWith('/MANIFEST');
      if (isCommit) tries++;
      return isCommit;
    },
    code: 'NO_SPACE',
    times: Number.POSITIVE_INFINITY,
    applied: 'none',
  });
  await cluster.untilTrue(() => tries > 2, 'third try');
  return { cluster, giveRoom: () => full.cancel() };
}

test('a node that finds no room to list a state that is ready waits for it', async () => {
  const { cluster, giveRoom } = await withoutRoomToList();
  giveRoom();
  await mustAgree(cluster, ['n1', 'n2', 'n3']);
  expect(cluster.node('n3').failures).toEqual([]);
  await cluster.close();
});

test('a node is stopped while it waits for room to list a state, and has it after a start', async () => {
  const { cluster, giveRoom } = await withoutRoomToList();
  const { files } = cluster.node('n3').env;
  await cluster.stop('n3');
  giveRoom();
  const { operationCount } = files;
  await cluster.run(3000);
  expect([files.operationCount, cluster.node('n3').failures]).toEqual([operationCount, []]);
  await cluster.start('n3');
  await mustAgree(cluster, ['n1', 'n2', 'n3']);
  await cluster.close();
});

test('under load, with lost, doubled and late messages, it comes back whole', async () => {
  const faults = { loss: 0.02, duplication: 0.02, reordering: 0.05, delayMs: [0.1, 3] } as const;
  const cluster = await MemoryCluster.open({ settings: SHORT_LOG, seed: 5 });
  await cluster.crash('n2');
  await load(cluster, 'n1', 'late', 150);
  cluster.network.setFaults(faults);
  await cluster.start('n2');
  await load(cluster, 'n1', 'during', 60);
  cluster.network.setFaults({});
  await mustAgree(cluster, ['n1', 'n2', 'n3']);
  await cluster.close();
});

test('a new learner gets everything, and becomes a voter', async () => {
  const cluster = await MemoryCluster.open({ settings: SHORT_LOG });
  await load(cluster, 'n1', 'early', 120);
  const address = { host: 'memory', port: 7009 };
  await cluster.start('n4', { address });
  const leader = await cluster.leader();
  await cluster.until(leader.cluster.add('n4', address));
  await load(cluster, 'n1', 'during', 20);
  await mustAgree(cluster, ['n1', 'n4']);
  expect(firstIndexOf(cluster, 'n4')).toBeGreaterThan(1);
  await cluster.until((await cluster.leader()).cluster.promote('n4'));
  await load(cluster, 'n4', 'after', 5);
  await mustAgree(cluster, ['n1', 'n2', 'n3', 'n4']);
  await cluster.close();
});

test('ten kills of the node on the way, and of those that it receives from: it ends whole', async () => {
  const settings = { ...SHORT_LOG, transferBytesPerSecond: 100_000 };
  const cluster = await MemoryCluster.open({ settings, seed: 3 });
  await cluster.crash('n3');
  await load(cluster, 'n1', 'late', 150);
  let cutOff = 0;
  for (let kill = 0; kill < 10; kill++) {
    await cluster.start('n3');
    await cluster.run(150 + 20 * kill);
    if (kill % 3 === 2) {
      const other = kill % 2 === 0 ? 'n1' : 'n2';
      await cluster.crash(other);
      await cluster.start(other);
    }
    await cluster.crash('n3');
    const { files } = cluster.node('n3').env;
    if ((await files.list('/data')).includes('incoming')) cutOff++;
  }
  expect(cutOff).toBeGreaterThan(3);
  await cluster.start('n3');
  await mustAgree(cluster, ['n1', 'n2', 'n3']);
  await cluster.close();
});
