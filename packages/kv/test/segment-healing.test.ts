import { utf8 } from '@holdfast/bytes';
import type { MemoryEnv } from '@holdfast/env/memory';
import { createMemoryEnv } from '@holdfast/env/memory';
import { expect, test } from 'vitest';
import type { LocalStore } from '../src/index.ts';
import { KvError } from '../src/index.ts';
import { repairingReader } from '../src/repairing-reader.ts';
import type { ReadExtent } from '../src/value-reader.ts';
import { contentsOf, del, extentBytesOf, open, put, TINY } from './fixtures/crash-enumeration.ts';
import { watched } from './fixtures/open-files.ts';

const KEYS: readonly string[] = ['a', 'b', 'c', 'd', 'e', 'f'];
const OWNER = { key: utf8('k'), version: 4 };

test('what is live in a damaged segment is written anew, and what is lost stays refused', async () => {
  const env = await createMemoryEnv();
  const store = await open(env);
  for (const key of ['a', 'b', 'c', 'd']) {
    await store.transact({ operations: [put(key, 3000), put(`${key}-too`, 3000)] });
  }
  await store.transact({ operations: [del('a')] });
  await store.flush();
  const before = await contentsOf(store);
  const sealed = store.status().segments.filter((each) => each.sealed);
  const [segment] = sealed.sort((left, right) => right.liveBytes - left.liveBytes);
  if (segment === undefined) throw new Error('no sealed segment');
  const file = segment.path.slice('/data/'.length);
  expect(await store.heal({ file })).toMatchObject({ lostValues: 0 });
  expect(store.status().segments.map(({ path }) => path)).not.toContain(segment.path);
  expect(await contentsOf(store)).toEqual(before);
  expect(store.status().liveBytes).toBe(await extentBytesOf(store));
  const [moved] = store.status().extentFiles;
  if (moved === undefined) throw new Error('no extent file');
  env.files.corrupt(moved.path, { offset: 200 });
  const report = await store.heal({ file: moved.path.slice('/data/'.length) });
  expect(report.lostValues).toBe(1);
  expect(report.movedBytes).toBeGreaterThan(0);
  const answers = await Promise.allSettled(
    ['a-too', 'b', 'b-too', 'c', 'd'].map((key) => store.get(utf8(key))),
  );
  const refused = answers.filter(({ status }) => status === 'rejected');
  expect(refused).toMatchObject([{ reason: { code: 'KV_CORRUPTION' } }]);
  expect(await store.heal({ file: 'kv/MANIFEST' })).toEqual({ movedBytes: 0, lostValues: 0 });
  await store.close();
});

test('a healing that finds no room leaves no file, and is done when there is some', async () => {
  const { env, openFiles } = watched(await createMemoryEnv());
  const store = await open(env);
  for (const key of ['a', 'b', 'c', 'd']) await store.transact({ operations: [put(key, 6000)] });
  await store.flush();
  const before = await contentsOf(store);
  const sealed = store.status().segments.find((each) => each.sealed)?.path ?? '';
  const file = sealed.slice('/data/'.length);
  env.files.failWhen({
    when: ({ kind, path }) => kind === 'sync' && path.endsWith('.extents'),
    code: 'NO_SPACE',
  });
  await expect(store.heal({ file })).rejects.toMatchObject({ code: 'KV_NO_SPACE' });
  const names = await env.files.list('/data/kv');
  expect(names.filter((name) => name.endsWith('.extents'))).toEqual([]);
  expect((await store.heal({ file })).movedBytes).toBeGreaterThan(0);
  expect(await contentsOf(store)).toEqual(before);
  await store.close();
  expect(openFiles()).toEqual([]);
});

test('a healing whose list could not be synced leaves its file, which may be listed all the same', async () => {
  const env = await createMemoryEnv();
  const store = await open(env);
  for (const key of ['a', 'b', 'c', 'd']) await store.transact({ operations: [put(key, 6000)] });
  await store.flush();
  const before = await contentsOf(store);
  const sealed = store.status().segments.find((each) => each.sealed)?.path ?? '';
  env.files.failWhen({
    when: ({ kind, path }) => kind === 'sync' && path.endsWith('/MANIFEST'),
    code: 'FILE_IO',
  });
  const healing = store.heal({ file: sealed.slice('/data/'.length) });
  await expect(healing).rejects.toMatchObject({ code: 'KV_UNAVAILABLE' });
  await store.close();
  const again = await open(env);
  expect(again.status().extentFiles.length).toBe(1);
  expect(await contentsOf(again)).toEqual(before);
  await again.close();
});

/** A store with one segment that has more values than one of its files takes, and its name. */
async function withLargeSegment(env: MemoryEnv): Promise<{ store: LocalStore; file: string }> {
  // Nothing is in memory: each value is read where it is.
  const store = await open(env, { ...TINY, wal: { ...TINY.wal, cacheSizeBytes: 0 } });
  await store.transact({ operations: KEYS.map((key) => put(key, 5000)) });
  await store.transact({ operations: [put('next', 9000)] });
  await store.flush();
  const segment = store.status().segments.find(({ sealed }) => sealed);
  return { store, file: segment?.path.slice('/data/'.length) ?? '' };
}

test('what is written anew goes to files of the size of a segment, and none stays open', async () => {
  const { env, openFiles } = watched(await createMemoryEnv());
  const { store, file } = await withLargeSegment(env);
  const before = await contentsOf(store);
  expect(await store.heal({ file })).toEqual({ movedBytes: KEYS.length * 5000, lostValues: 0 });
  expect(store.status().extentFiles.map(({ liveBytes }) => liveBytes)).toEqual([20_000, 10_000]);
  expect(await contentsOf(store)).toEqual(before);
  await store.close();
  expect(openFiles()).toEqual([]);
});

test('a healing is given up when the store is closed', async () => {
  const env = await createMemoryEnv();
  const { store, file } = await withLargeSegment(env);
  const before = await contentsOf(store);
  const healing = store.heal({ file });
  await store.close();
  expect((await healing).movedBytes).toBeLessThan(KEYS.length * 5000);
  const again = await open(env);
  expect(await contentsOf(again)).toEqual(before);
  await again.close();
});

test('a segment that is being healed stays, though all that is left in it is deleted meanwhile', async () => {
  let partly = 0;
  for (let turns = 0; turns < 60; turns++) {
    const env = await createMemoryEnv({ seed: turns });
    const { store, file } = await withLargeSegment(env);
    const healing = store.heal({ file });
    for (let turn = 0; turn < turns * 5; turn++) await Promise.resolve();
    await store.transact({ operations: KEYS.map(del) });
    await store.flush();
    const { movedBytes } = await healing;
    if (movedBytes > 0 && movedBytes < KEYS.length * 5000) partly++;
    await store.collect();
    expect(store.status().liveBytes).toBe(9000);
    expect(store.status().segments.map(({ path }) => path)).not.toContain(`/data/${file}`);
    expect(store.status().extentFiles).toEqual([]);
    await store.close();
  }
  expect(partly).toBeGreaterThan(0);
});

test('bytes from elsewhere are taken only where they match what the index has', async () => {
  const { bodyChecksum } = await createMemoryEnv();
  const right = new Uint8Array(2000).fill(5);
  const extent = { segmentId: 3, offset: 0, length: 2000, crc: bodyChecksum.of([right]) };
  const read: ReadExtent = () => Promise.reject(new KvError('KV_CORRUPTION', 'damaged'));
  const repaired: number[] = [];
  const reader = (found: Uint8Array | undefined): ReadExtent =>
    repairingReader({
      read,
      bodyChecksum,
      findElsewhere: (name) => {
        expect(name).toEqual({ ...OWNER, length: 2000, crc: extent.crc });
        return Promise.resolve(found);
      },
      onDamaged: () => undefined,
      onRepaired: (segmentId) => repaired.push(segmentId),
    });
  expect(await reader(right)(extent, undefined, OWNER)).toEqual(right);
  const target = new Uint8Array(3000);
  expect((await reader(right)(extent, target, OWNER)).buffer).toBe(target.buffer);
  expect(target.subarray(0, 2000)).toEqual(right);
  expect(repaired).toEqual([3, 3]);
  for (const wrong of [undefined, right.subarray(1), new Uint8Array(2000)]) {
    await expect(reader(wrong)(extent, undefined, OWNER)).rejects.toMatchObject({
      code: 'KV_CORRUPTION',
    });
  }
  await expect(reader(right)(extent)).rejects.toMatchObject({ code: 'KV_CORRUPTION' });
  expect(repaired).toEqual([3, 3]);
});
