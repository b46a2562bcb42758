import { createMemoryEnv } from '@holdfast/env/memory';
import { expect, test } from 'vitest';
import { listBackups, openLocalStore, restoreBackup } from '../src/index.ts';
import { Script } from './crash/script.ts';
import { contentsOf, del, open, put, TINY } from './fixtures/crash-enumeration.ts';

const TARGET = '/backups';
/** All records are in one segment. */
const ONE_SEGMENT = { ...TINY, wal: { ...TINY.wal, segmentSizeBytes: 256 * 1024 } };

test('a restore cuts the log where the index is in the middle of a segment', async () => {
  const env = await createMemoryEnv();
  const store = await open(env, ONE_SEGMENT);
  const script = new Script(store);
  for (const size of [10, 2000, 30, 4000]) {
    await script.transact({ operations: [put('a', size), put(`b-${size}`, size)] });
  }
  await script.transact({ operations: [del('a')] });
  const { index, oldestIndex } = await store.backup({ to: TARGET });
  await store.close();
  expect([oldestIndex, index]).toEqual([0, 5]);
  for (let atIndex = oldestIndex; atIndex <= index; atIndex++) {
    const directory = `/restored-${atIndex}`;
    await restoreBackup(env, { from: TARGET, directory, atIndex });
    const again = await openLocalStore({ env, directory, settings: ONE_SEGMENT });
    expect(await contentsOf(again), `index ${atIndex}`).toEqual(script.contents[atIndex]);
    await again.close();
  }
});

test.each(['tables', 'extents'] as const)(
  'a restore refuses a backup one of whose %s is damaged, and the folder is no store',
  async (kind) => {
    const env = await createMemoryEnv();
    const store = await open(env);
    for (const key of ['a', 'b', 'c']) {
      await store.transact({ operations: [put(key, 4000), put(`${key}-gone`, 6000)] });
    }
    await store.transact({ operations: ['a-gone', 'b-gone', 'c-gone'].map(del) });
    await store.compact();
    await store.backup({ to: TARGET });
    await store.close();
    const [manifest] = await listBackups(env, TARGET);
    const path = `${TARGET}/files/${manifest?.[kind][0]?.sha256}`;
    env.files.corrupt(path, { offset: 100 });
    const refused = restoreBackup(env, { from: TARGET, directory: '/restored' });
    await expect(refused).rejects.toMatchObject({
      code: 'KV_CORRUPTION',
      message: expect.stringContaining(path),
    });
    expect(await env.files.list('/restored')).not.toContain('node.json');
  },
);
