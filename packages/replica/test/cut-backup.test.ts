/** Backups of a node whose log is cut: what it held beyond what the cluster has agreed on is no other log. */
import { utf8 } from '@holdfast/bytes';
import { listBackups, openLocalStore, restoreBackup } from '@holdfast/kv';
import { expect, test } from 'vitest';
import { MemoryCluster } from './fixtures/memory-cluster.ts';

const TO = '/backups';

function put(key: string, sizeBytes: number) {
  const value = new Uint8Array(sizeBytes).fill(key.length);
  return { operations: [{ kind: 'put' as const, key: utf8(key), value }] };
}

test('a leader that was cut off is backed up beside the backup that holds what nobody agreed on', async () => {
  const cluster = await MemoryCluster.open();
  const old = cluster.nameOf(await cluster.leader());
  const others = ['n1', 'n2', 'n3'].filter((name) => name !== old);
  const { store } = cluster.replica(old);
  await cluster.until(store.transact(put('agreed', 5000)));
  cluster.network.partition([old], others);
  const lost = store.transact(put('never agreed', 9000)).catch((error: Error) => error);
  const { persistedIndex } = cluster.replica(old).cluster.status();
  const isDurable = () => cluster.replica(old).cluster.status().persistedIndex > persistedIndex;
  await cluster.untilTrue(isDurable, 'the entry');
  const { index } = await cluster.until(store.backup({ to: TO }));
  expect(index).toBe(cluster.replica(old).cluster.status().commitIndex + 1);
  await cluster.crash(old, true);
  const next = cluster.nameOf(await cluster.leader());
  cluster.network.heal();
  await cluster.start(old);
  for (let at = 0; at < 9; at++) {
    await cluster.until(cluster.replica(next).store.transact(put(`after ${at}`, 4000)));
  }
  const rejoined = cluster.replica(old).store;
  const appliedAt = (name: string) => cluster.replica(name).cluster.status().appliedIndex;
  await cluster.untilTrue(() => appliedAt(old) === appliedAt(next), 'the rest of the log');
  await cluster.until(rejoined.backup({ to: TO }));
  const { env } = cluster.node(old);
  expect(await listBackups(env, TO)).toHaveLength(2);
  await cluster.until(restoreBackup(env, { from: TO, directory: '/restored' }));
  const restored = await cluster.until(openLocalStore({ env, directory: '/restored' }));
  expect((await cluster.until(restored.get(utf8('agreed'))))?.value).toHaveLength(5000);
  expect((await cluster.until(restored.get(utf8('after 8'))))?.value).toHaveLength(4000);
  expect(await cluster.until(restored.get(utf8('never agreed')))).toBeUndefined();
  await cluster.until(restored.close());
  await lost;
  await cluster.close();
});
