import { utf8 } from '@holdfast/bytes';
import { expect, test } from 'vitest';
import type { ReplicaSettings } from '../src/index.ts';
import { MemoryCluster } from './fixtures/memory-cluster.ts';

const SETTINGS: ReplicaSettings = {
  store: {
    reserveSizeBytes: 0,
    wal: { segmentSizeBytes: 64 * 1024, preallocate: false, cacheSizeBytes: 0 },
  },
  retainedLogBytes: 1,
  transferAnswerLimitMs: 200,
};

function valueOf(at: number): Uint8Array {
  return new Uint8Array(8000).fill(at + 1);
}

/** A cluster whose node n2 has damage in one value, and the name of that segment. */
async function damaged(
  settings: ReplicaSettings,
): Promise<{ cluster: MemoryCluster; path: string }> {
  const cluster = await MemoryCluster.open({ settings });
  for (let at = 0; at < 40; at++) {
    const operations = [{ kind: 'put' as const, key: utf8(`key-${at}`), value: valueOf(at) }];
    await cluster.until(cluster.replica('n2').store.transact({ operations }));
  }
  const { store } = cluster.replica('n2');
  await cluster.until(store.flush());
  const segment = store
    .status()
    .segments.find(({ released, liveBytes }) => released && liveBytes > 0);
  if (segment === undefined) throw new Error('nothing was released');
  const { files } = cluster.node('n2').env;
  const bytes = Buffer.alloc(segment.sizeBytes);
  const file = await files.open(segment.path, 'read');
  await file.read(bytes, 0);
  await file.close();
  // In the middle of the third value.
  const offset = bytes.indexOf(valueOf(2)) + 4000;
  files.corrupt(segment.path, { offset, length: 10, how: 'garble' });
  return { cluster, path: segment.path };
}

async function readAll(cluster: MemoryCluster): Promise<string[]> {
  const answers: string[] = [];
  for (let at = 0; at < 40; at++) {
    const read = cluster.replica('n2').store.get(utf8(`key-${at}`));
    const [answer] = await cluster.until(Promise.allSettled([read]));
    if (answer?.status === 'rejected') answers.push((answer.reason as { code: string }).code);
    else expect(answer?.value?.value).toEqual(valueOf(at));
  }
  return answers;
}

test('a value that is damaged on one node is had from another, and the damaged segment is written anew', async () => {
  const { cluster, path } = await damaged({ ...SETTINGS, repairsFromPeers: true });
  expect(await readAll(cluster)).toEqual([]);
  const { store } = cluster.replica('n2');
  expect(store.status().validationErrors).toBeGreaterThan(0);
  await cluster.untilTrue(
    () => !store.status().segments.some((segment) => segment.path === path),
    'healing',
  );
  const { validationErrors } = store.status();
  expect(await readAll(cluster)).toEqual([]);
  expect(store.status().validationErrors).toBe(validationErrors);
  await cluster.close();
});

test('without that policy it is refused, and nothing else is', async () => {
  const { cluster } = await damaged(SETTINGS);
  expect(await readAll(cluster)).toEqual(['KV_CORRUPTION']);
  await cluster.close();
});

test('what the scrubber finds is healed before anybody reads it', async () => {
  const { cluster, path } = await damaged({ ...SETTINGS, repairsFromPeers: true });
  const { store } = cluster.replica('n2');
  const report = await cluster.until(store.heal({ file: path.slice('/data/'.length) }));
  expect(report.lostValues).toBe(0);
  expect(report.movedBytes).toBeGreaterThan(8000);
  const { validationErrors } = store.status();
  expect(await readAll(cluster)).toEqual([]);
  expect(store.status().validationErrors).toBe(validationErrors);
  await cluster.close();
});

test('with the others out of reach the damage is answered within a limit', async () => {
  const { cluster } = await damaged({ ...SETTINGS, repairsFromPeers: true });
  const { store } = cluster.replica('n2');
  const view = await cluster.until(store.readView());
  cluster.network.partition(['n2'], ['n1', 'n3']);
  const startMs = cluster.clock.monotonicMs();
  const reads = Array.from({ length: 40 }, (_, at) => view.get(utf8(`key-${at}`)));
  const answers = await cluster.until(Promise.allSettled(reads));
  const refused = answers.filter(({ status }) => status === 'rejected');
  expect(refused).toMatchObject([{ reason: { code: 'KV_CORRUPTION' } }]);
  expect(cluster.clock.monotonicMs() - startMs).toBeLessThan(10_000);
  view.close();
  cluster.network.heal();
  await cluster.leader();
  expect(await readAll(cluster)).toEqual([]);
  await cluster.close();
});

test('a damaged table is made again from records that were released, though no saved state says that they are committed', async () => {
  const settings = { ...SETTINGS, checkpointEntries: 1000 };
  const cluster = await MemoryCluster.open({ settings });
  const { store } = cluster.replica('n2');
  for (let round = 0; round < 3; round++) {
    for (let at = 0; at < 20; at++) {
      const key = utf8(`key-${round}-${at}`);
      const operations = [{ kind: 'put' as const, key, value: valueOf(at) }];
      await cluster.until(store.transact({ operations }));
    }
    await cluster.until(store.flush());
  }
  await cluster.crash('n2', true);
  const { files } = cluster.node('n2').env;
  const tables = files.listAll('/data/kv').filter(({ path }) => path.endsWith('.table'));
  const newest = tables.at(-1)?.path ?? '';
  files.corrupt(newest, { offset: 30, length: 10, how: 'garble' });
  const again = await cluster.start('n2');
  expect(again.store.recovery.healed).toMatchObject([{ path: newest }]);
  const entry = await cluster.until(again.store.get(utf8('key-2-19')));
  expect(entry?.value).toEqual(valueOf(19));
  await cluster.close();
});
