import type { KvStore } from '@holdfast/kv';
import { expect, test } from 'vitest';
import { chunkKey, idKey, KEY_SPACE, partKey, spaceRange } from '../src/keys.ts';
import { encodeGroupOwner, encodeMoment } from '../src/owner-record.ts';
import { countIn, violations } from './consistency.ts';
import {
  getBytes,
  makeFixture,
  openFixture,
  pattern,
  piecesOf,
  putBytes,
  refusalCode,
} from './fixture.ts';

const LIMITS = { chunkSizeBytes: 1000, inlineSizeBytes: 500, minPartSizeBytes: 1 };
const DAY_MS = 24 * 60 * 60 * 1000;

/** A body that stops between its pieces until it is told to go on. */
function gated(bytes: Uint8Array): {
  readonly pieces: AsyncGenerator<Uint8Array, void>;
  readonly reached: Promise<void>;
  readonly release: () => void;
} {
  const reached = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  async function* pieces(): AsyncGenerator<Uint8Array, void> {
    yield bytes.subarray(0, 5000);
    reached.resolve();
    await gate.promise;
    yield bytes.subarray(5000);
  }
  return { pieces: pieces(), reached: reached.promise, release: () => gate.resolve() };
}

test('a slow upload that another process takes for crashed fails cleanly', async () => {
  const { store, kv, env, again } = await openFixture(LIMITS);
  await putBytes(store, 'k', pattern(100));
  const body = gated(pattern(9000));
  const put = putBytes(store, 'k', pattern(0), { body: { pieces: body.pieces } });
  await body.reached;
  const other = again();
  await other.store.collectGarbage();
  env.manualClock.advance(DAY_MS + 1);
  expect(await other.store.collectGarbage()).toMatchObject({ expiredIntents: 1 });
  body.release();
  expect(await refusalCode(put)).toBe('OperationAborted');
  expect(await getBytes(store, 'k')).toEqual(pattern(100));
  expect(await violations(kv, { swept: true })).toEqual([]);
});

test('a slow upload of this process is never taken for crashed', async () => {
  const { store, env } = await openFixture(LIMITS);
  const body = gated(pattern(9000));
  const put = putBytes(store, 'k', pattern(0), { body: { pieces: body.pieces } });
  await body.reached;
  await store.collectGarbage();
  env.manualClock.advance(DAY_MS + 1);
  expect(await store.collectGarbage()).toMatchObject({ expiredIntents: 0, deletedChunks: 0 });
  body.release();
  await put;
  expect(await getBytes(store, 'k')).toEqual(pattern(9000));
});

test('an upload within the grace is left alone by other processes', async () => {
  const { store, env, again } = await openFixture(LIMITS);
  const body = gated(pattern(9000));
  const put = putBytes(store, 'k', pattern(0), { body: { pieces: body.pieces } });
  await body.reached;
  env.manualClock.advance(DAY_MS - 1);
  expect(await again().store.collectGarbage()).toMatchObject({ expiredIntents: 0 });
  body.release();
  await put;
});

test('blobs that nothing refers to are found and swept, and no other', async () => {
  const { store, kv } = await openFixture(LIMITS);
  for (let at = 0; at < 20; at++) await putBytes(store, `k${at}`, pattern(at * 300, at));
  const before = await countIn(kv, KEY_SPACE.chunk);
  for (const first of [0x00, 0x40, 0x80, 0xff]) {
    const blobId = pattern(16, first);
    blobId[0] = first;
    const operations = [0, 1, 2].map((number) => ({
      kind: 'put' as const,
      key: chunkKey(blobId, number),
      value: pattern(100),
    }));
    await kv.transact({ operations });
  }
  expect(await store.collectGarbage()).toMatchObject({
    unreferencedBlobs: 4,
    deletedChunks: 12,
    deletedBytes: 1200,
  });
  expect(await countIn(kv, KEY_SPACE.chunk)).toBe(before);
  expect(await violations(kv, { swept: true })).toEqual([]);
});

test('parts of an upload that is gone are swept', async () => {
  const { store, kv } = await openFixture(LIMITS);
  const uploadId = pattern(16);
  const group = encodeGroupOwner({ kind: 'upload', bucketId: pattern(16, 2), key: 'k' });
  await kv.transact({
    operations: [{ kind: 'put', key: idKey(KEY_SPACE.partGroup, uploadId), value: group }],
  });
  await store.collectGarbage();
  expect(await countIn(kv, KEY_SPACE.partGroup)).toBe(0);
  expect(await kv.get(partKey(uploadId, 1))).toBeUndefined();
});

test('parts of an object that is gone are swept, though another one of parts has its key', async () => {
  const { store, kv } = await openFixture(LIMITS);
  const address = { bucket: 'bucket', key: 'k' };
  const upload = { ...address, metadata: { user: {} }, ownerId: 'me' };
  const { uploadId } = await store.createMultipartUpload(upload);
  const body = { pieces: piecesOf(pattern(3000)) };
  const part = await store.uploadPart({ ...address, uploadId, partNumber: 1, body });
  await store.completeMultipartUpload({ ...address, uploadId, parts: [part] });
  const { entries } = await kv.scan({ ...spaceRange(KEY_SPACE.partGroup), limit: 10 });
  const gone = pattern(16, 3);
  await kv.transact({
    operations: entries.map(({ value }) => ({
      kind: 'put',
      key: idKey(KEY_SPACE.partGroup, gone),
      value,
    })),
  });
  expect(await countIn(kv, KEY_SPACE.partGroup)).toBe(2);
  await store.collectGarbage();
  expect(await kv.get(idKey(KEY_SPACE.partGroup, gone))).toBeUndefined();
  expect(await getBytes(store, 'k')).toEqual(pattern(3000));
});

test('what was written down to be swept is swept at the next start', async () => {
  const { store, kv, again } = await openFixture(LIMITS);
  await putBytes(store, 'k', pattern(20_000));
  await store.deleteObject({ bucket: 'bucket', key: 'k' });
  await store.close();
  expect(await countIn(kv, KEY_SPACE.chunk)).toBe(20);
  const { tasks } = again();
  await tasks.runAll();
  expect(await countIn(kv, KEY_SPACE.chunk)).toBe(0);
  expect(await violations(kv, { swept: true })).toEqual([]);
});

test('a blob of more chunks than a transaction deletes is swept in steps', async () => {
  const { store, kv, tasks } = await openFixture({ chunkSizeBytes: 10, inlineSizeBytes: 5 });
  await putBytes(store, 'k', pattern(25_000));
  await store.deleteObject({ bucket: 'bucket', key: 'k' });
  expect(await countIn(kv, KEY_SPACE.chunk)).toBe(2500);
  await tasks.runAll();
  expect(await countIn(kv, KEY_SPACE.chunk)).toBe(0);
});

test('garbage collection and puts at the same time lose nothing', async () => {
  const { store, kv, again } = await openFixture(LIMITS);
  const other = again();
  const puts = Array.from({ length: 30 }, (_, at) =>
    putBytes(at % 2 === 0 ? store : other.store, `k${at % 7}`, pattern(3000 + at, at)),
  );
  const passes = [store.collectGarbage(), other.store.collectGarbage(), store.collectGarbage()];
  await Promise.all([...puts, ...passes]);
  expect(await violations(kv, { swept: false })).toEqual([]);
  await store.collectGarbage();
  expect(await violations(kv, { swept: true })).toEqual([]);
});

test('where no other process can upload, what crashed is found though the clock was set back', async () => {
  const { store, kv, env } = await openFixture({ ...LIMITS, intentGraceMs: 0 });
  const key = idKey(KEY_SPACE.intent, pattern(16));
  const value = encodeMoment(env.clock.nowMs() + 365 * DAY_MS);
  await kv.transact({ operations: [{ kind: 'put', key, value }] });
  expect(await store.collectGarbage()).toMatchObject({ expiredIntents: 1 });
  expect(await countIn(kv, KEY_SPACE.intent)).toBe(0);
});

test('an intent counts as crashed a day after it was first seen, whatever the clocks say', async () => {
  const { store, kv, env } = await openFixture(LIMITS);
  const blobId = pattern(16);
  // Of a node whose clock is behind: by that of this one it is years old.
  const intent = encodeMoment(env.clock.nowMs() - 1000 * DAY_MS);
  await kv.transact({
    operations: [
      { kind: 'put', key: idKey(KEY_SPACE.intent, blobId), value: intent },
      { kind: 'put', key: chunkKey(blobId, 0), value: pattern(10) },
    ],
  });
  expect(await store.collectGarbage()).toMatchObject({ expiredIntents: 0, unreferencedBlobs: 0 });
  env.manualClock.advance(DAY_MS - 1);
  expect(await store.collectGarbage()).toMatchObject({ expiredIntents: 0, unreferencedBlobs: 0 });
  env.manualClock.advance(1);
  expect(await store.collectGarbage()).toMatchObject({ expiredIntents: 1, deletedChunks: 1 });
});

test('a closed store stops its passes', async () => {
  const { store } = await openFixture(LIMITS);
  const pass = store.collectGarbage();
  await store.close();
  await expect(pass).rejects.toMatchObject({ code: 'KV_CLOSED' });
});

test('a store that is closed during a sweep ends it after its step, and what is left is swept at the next start', async () => {
  const { store, kv, env } = await openFixture({ chunkSizeBytes: 10, inlineSizeBytes: 5 });
  await putBytes(store, 'k', pattern(25_000));
  await store.deleteObject({ bucket: 'bucket', key: 'k' });
  let closing: Promise<void> | undefined;
  const sweeping = makeFixture(
    closingKv(kv, () => void (closing ??= sweeping.store.close())),
    env,
    {},
  );
  await expect(sweeping.tasks.runAll()).rejects.toMatchObject({ code: 'KV_CLOSED' });
  await closing;
  expect(await countIn(kv, KEY_SPACE.chunk)).toBe(1500);
  expect(await countIn(kv, KEY_SPACE.releasedBlob)).toBe(1);
  await makeFixture(kv, env, {}).tasks.runAll();
  expect(await violations(kv, { swept: true })).toEqual([]);
});

/** Calls `onTransact` after each transaction. */
function closingKv(kv: KvStore, onTransact: () => void): KvStore {
  const transact: KvStore['transact'] = async (transaction) => {
    const result = await kv.transact(transaction);
    onTransact();
    return result;
  };
  return new Proxy(kv, {
    get: (target, name) => {
      if (name === 'transact') return transact;
      const value = Reflect.get(target, name) as unknown;
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
