import { utf8 } from '@holdfast/bytes';
import { createMemoryEnv } from '@holdfast/env/memory';
import { expect, test } from 'vitest';
import { KvError } from '../src/index.ts';
import { repairingReader } from '../src/repairing-reader.ts';
import type { ReadExtent } from '../src/value-reader.ts';
import { contentsOf, del, extentBytesOf, open, put } from './fixtures/crash-enumeration.ts';

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
  const env = await createMemoryEnv();
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
  await expect(store.heal({ file })).rejects.toMatchObject({ code: 'NO_SPACE' });
  const names = await env.files.list('/data/kv');
  expect(names.filter((name) => name.endsWith('.extents'))).toEqual([]);
  expect((await store.heal({ file })).movedBytes).toBeGreaterThan(0);
  expect(await contentsOf(store)).toEqual(before);
  await store.close();
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
