import { utf8 } from '@holdfast/bytes';
import { expect, test } from 'vitest';
import type { ReplicaSettings } from '../src/index.ts';
import { MemoryCluster } from './fixtures/memory-cluster.ts';

const MEMTABLE_BYTES = 4096;
const KEY_BYTES = 500;
const SETTINGS: ReplicaSettings = {
  store: {
    reserveSizeBytes: 0,
    memtableSizeBytes: MEMTABLE_BYTES,
    wal: { segmentSizeBytes: 256 * 1024, preallocate: false },
  },
};

async function load(cluster: MemoryCluster, count: number = 60, sizeBytes = 500): Promise<void> {
  const leader = await cluster.leader();
  for (let at = 0; at < count; at++) {
    const value = new Uint8Array(sizeBytes).fill(at);
    const operations = [{ kind: 'put' as const, key: utf8(`${at}`.padStart(KEY_BYTES)), value }];
    await cluster.until(leader.store.transact({ operations }));
  }
}

test('a node whose volume has no room for its index applies what is agreed on all the same', async () => {
  const cluster = await MemoryCluster.open({ settings: SETTINGS });
  const follower = await cluster.follower();
  const { env, failures } = cluster.node(cluster.nameOf(follower));
  const full = env.files.failWhen({
    when: ({ kind, path }) => kind === 'write' && path.endsWith('.table'),
    code: 'NO_SPACE',
    times: Number.POSITIVE_INFINITY,
    applied: 'none',
  });
  await load(cluster);
  const { commitIndex } = (await cluster.leader()).cluster.status();
  await cluster.untilTrue(
    () => follower.cluster.status().appliedIndex >= commitIndex,
    'all applied',
  );
  expect(follower.store.status().memtableBytes).toBeGreaterThan(4 * MEMTABLE_BYTES);
  full.cancel();
  await cluster.until(follower.store.flush());
  expect(failures).toEqual([]);
  await cluster.close();
});

test('a node whose index does not keep up applies no more until it does, and takes part all the same', async () => {
  const cluster = await MemoryCluster.open({ settings: SETTINGS });
  const follower = await cluster.follower();
  const name = cluster.nameOf(follower);
  cluster.slowDown(name, 5000, /\/kv\//);
  // More than are applied at once.
  await load(cluster, 600);
  const leader = await cluster.leader();
  const [other = ''] = ['n1', 'n2', 'n3'].filter(
    (each) => each !== name && each !== cluster.nameOf(leader),
  );
  await cluster.crash(other, true);
  await cluster.until(leader.store.transact({ operations: [] }));
  const { lastIndex, persistedIndex, appliedIndex } = follower.cluster.status();
  expect(persistedIndex).toBe(lastIndex);
  expect(appliedIndex).toBeLessThan(100);
  cluster.slowDown(name, 20, /\/kv\//);
  let mostBytes = 0;
  await cluster.untilTrue(() => {
    mostBytes = Math.max(mostBytes, follower.store.status().memtableBytes);
    return follower.cluster.status().appliedIndex >= lastIndex;
  }, 'all applied');
  // Held memtables, and what is applied at once.
  expect(mostBytes).toBeLessThan(400_000);
  expect(cluster.node(name).failures).toEqual([]);
  await cluster.close();
});

test('a node flushes its index when much of the log is behind it, though there is little in it', async () => {
  const settings = { store: { ...SETTINGS.store, memtableSizeBytes: 1e6, replaySizeBytes: 1e5 } };
  const cluster = await MemoryCluster.open({ settings });
  await load(cluster, 30, 2000);
  const tables = (): number[] =>
    cluster.running.map(({ replica }) => replica?.store.status().tableCount ?? 0);
  expect(tables()).toEqual([0, 0, 0]);
  await load(cluster, 30, 2000);
  await cluster.untilTrue(() => tables().every((count) => count > 0), 'flush of all', 1000);
  await cluster.close();
});
