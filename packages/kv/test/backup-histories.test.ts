/** Backups of one node whose log is not the one that the folder holds backups of. */
import { logIndex } from '@holdfast/bytes';
import { createMemoryEnv, type MemoryEnv } from '@holdfast/env/memory';
import { openWal } from '@holdfast/wal';
import { expect, test } from 'vitest';
import {
  type LocalStore,
  listBackups,
  openLocalStore,
  restoreBackup,
  verifyBackups,
} from '../src/index.ts';
import { contentsOf, DIRECTORY, open, put, TINY } from './fixtures/crash-enumeration.ts';

const TARGET = '/backups';
const OLDER = '/older';

const write = async (store: LocalStore, key: string, count: number): Promise<void> => {
  for (let turn = 0; turn < count; turn++) {
    await store.transact({ operations: [put(key, 3000 + turn)] });
  }
};

/** As `cp -r` does it, of a folder that nobody has open. */
async function copyTree({ files }: MemoryEnv, from: string, to: string): Promise<void> {
  for (const { path } of files.listAll(from)) {
    const target = to + path.slice(from.length);
    await files.makeDirectory(target.slice(0, target.lastIndexOf('/')));
    const source = await files.open(path, 'read');
    const content = new Uint8Array(await source.sizeBytes());
    await source.read(content, 0);
    await source.close();
    const copy = await files.open(target, 'create');
    await copy.write(content, 0);
    await copy.close();
  }
}

/** A store of `before` writes is copied, makes `since` more and a backup; the copy is what is put back. */
async function forked(before: number, since: number): Promise<[MemoryEnv, LocalStore]> {
  const env = await createMemoryEnv();
  const store = await open(env);
  await write(store, 'a', before);
  await store.close();
  await copyTree(env, DIRECTORY, OLDER);
  const later = await open(env);
  await write(later, 'b', since);
  await later.backup({ to: TARGET });
  await later.close();
  return [env, await openLocalStore({ env, directory: OLDER, settings: TINY })];
}

test.each([
  ['in the segment that is open', 2, 1, 2],
  ['in a segment that is sealed since', 2, 30, 40],
  ['where the backup knows the segment as open', 2, 1, 40],
  ['many segments ago', 20, 60, 200],
])(
  'an older copy that was put back, and has come further, is refused: %s',
  async (_where, before, since, again) => {
    const [env, back] = await forked(before, since);
    await write(back, 'c', again);
    const refused = back.backup({ to: TARGET, keep: 1 });
    await expect(refused).rejects.toMatchObject({
      code: 'KV_INCOMPATIBLE',
      message: expect.stringContaining(
        'holds backups of another log than this node has now',
      ) as string,
    });
    expect(await listBackups(env, TARGET)).toHaveLength(1);
    expect((await verifyBackups(env, TARGET)).flatMap(({ problems }) => problems)).toEqual([]);
    await back.backup({ to: '/others' });
    await back.close();
  },
);

test('a log whose end was taken back, as in a cluster, says when it can be backed up again', async () => {
  const env = await createMemoryEnv();
  const store = await open(env);
  await write(store, 'a', 3);
  await store.backup({ to: TARGET });
  const { identity } = store;
  await store.close();
  const wal = await openWal({ env, directory: `${DIRECTORY}/wal`, identity });
  await wal.truncateSuffix(logIndex(2));
  await wal.close();
  const cut = await open(env);
  await expect(cut.backup({ to: TARGET })).rejects.toMatchObject({
    code: 'KV_INCOMPATIBLE',
    message: expect.stringMatching(
      /entries .* were taken back .* when it has come to index 3/,
    ) as string,
  });
  expect((await cut.backup({ to: '/others' })).index).toBe(1);
  await write(cut, 'b', 2);
  expect((await cut.backup({ to: TARGET })).index).toBe(3);
  expect((await verifyBackups(env, TARGET)).flatMap(({ problems }) => problems)).toEqual([]);
  const contents = await contentsOf(cut);
  await cut.close();
  await restoreBackup(env, { from: TARGET, directory: '/restored' });
  const restored = await openLocalStore({ env, directory: '/restored', settings: TINY });
  expect(await contentsOf(restored)).toEqual(contents);
  await restored.close();
});

test('a folder that begins anew under the same identity is refused beside the backups of the one before', async () => {
  const env = await createMemoryEnv();
  const store = await open(env);
  await write(store, 'a', 40);
  await store.compact();
  await write(store, 'a', 1);
  await store.backup({ to: TARGET });
  const { identity } = store;
  await store.close();
  const anew = await openLocalStore({ env, directory: OLDER, settings: TINY, identity });
  for (let turn = 0; turn < 60; turn++) {
    await anew.transact({ operations: [{ ...put('small', 5), key: Uint8Array.of(turn) }] });
  }
  await expect(anew.backup({ to: TARGET })).rejects.toMatchObject({ code: 'KV_INCOMPATIBLE' });
  await anew.close();
});

test('the same log goes on in the folder, across restarts, wherever its segments are', async () => {
  const env = await createMemoryEnv();
  for (let round = 0; round < 30; round++) {
    const store = await open(env);
    await store.transact({ operations: [put(`${round % 3}`, 2000 + 100 * round)] });
    await store.backup({ to: TARGET, keep: 4 });
    if (round % 2 === 0) await write(store, 'more', round % 5);
    if (round % 7 === 0) await store.compact();
    await store.backup({ to: TARGET, keep: 4 });
    const contents = await contentsOf(store);
    await store.close();
    await restoreBackup(env, { from: TARGET, directory: `/restored-${round}` });
    const restored = await openLocalStore({ env, directory: `/restored-${round}`, settings: TINY });
    expect(await contentsOf(restored)).toEqual(contents);
    await restored.close();
  }
});
