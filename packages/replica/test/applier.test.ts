import { utf8 } from '@holdfast/bytes';
import { expect, test } from 'vitest';
import type { ReplicaSettings } from '../src/index.ts';
import { MemoryCluster } from './fixtures/memory-cluster.ts';

const MEMTABLE_BYTES = 4096;
const SETTINGS: ReplicaSettings = {
  store: {
    reserveSizeBytes: 0,
    memtableSizeBytes: MEMTABLE_BYTES,
    wal: { segmentSizeBytes: 256 * 1024, preallocate: false },
  },
};

async function load(cluster: MemoryCluster): Promise<void> {
  const leader = await cluster.leader();
  for (let at = 0; at < 60; at++) {
    const value = new Uint8Array(500).fill(at);
    const operations = [{ kind: 'put' as const, key: utf8(`key-${at}`), value }];
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
