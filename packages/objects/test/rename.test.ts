import { expect, test } from 'vitest';
import type { ObjectStore } from '../src/index.ts';
import { KEY_SPACE } from '../src/keys.ts';
import { countIn, violations } from './consistency.ts';
import {
  getBytes,
  openFixture,
  pattern,
  piecesOf,
  putBytes,
  refusal,
  refusalCode,
} from './fixture.ts';
import { atEveryMoment, codeOf } from './intruder.ts';

const bucket = 'bucket';
const LIMITS = { chunkSizeBytes: 1000, inlineSizeBytes: 500, minPartSizeBytes: 1 };

const rename = (store: ObjectStore, sourceKey: string, key: string, more: object = {}) =>
  store.renameObject({ bucket, key, sourceKey, ...more });

async function keysIn(store: ObjectStore): Promise<string[]> {
  const { objects } = await store.listObjects({ bucket, limit: 100 });
  return objects.map(({ key }) => key);
}

async function putParts(store: ObjectStore, key: string, bytes: Uint8Array): Promise<void> {
  const upload = { bucket, key, metadata: { user: {} }, ownerId: 'me' };
  const { uploadId } = await store.createMultipartUpload(upload);
  const body = { pieces: piecesOf(bytes) };
  const part = await store.uploadPart({ bucket, key, uploadId, partNumber: 1, body });
  await store.completeMultipartUpload({ bucket, key, uploadId, parts: [part] });
}

test.each([0, 100, 5000])(
  'an object of %i bytes has another key, and all else as it was',
  async (size) => {
    const fixture = await openFixture(LIMITS);
    const { store, kv, env } = fixture;
    const metadata = { user: { a: 'b' }, contentType: 'text/x', tagging: 'k=v' };
    await putBytes(store, 'a', pattern(size), { metadata });
    const before = await store.headObject({ bucket, key: 'a' });
    const chunks = await countIn(kv, KEY_SPACE.chunk);
    await putBytes(store, 'b', pattern(30_000, 2));
    env.manualClock.advance(5000);
    // What a start sweeps is over.
    await fixture.tasks.runAll();
    await rename(store, 'a', 'b');
    expect(await keysIn(store)).toEqual(['b']);
    expect(await store.headObject({ bucket, key: 'b' })).toEqual({ ...before, key: 'b' });
    expect(await getBytes(store, 'b')).toEqual(pattern(size));
    await fixture.tasks.runAll();
    // What had the key is given back at once, and not when garbage is collected.
    expect(await countIn(kv, KEY_SPACE.chunk)).toBe(chunks);
    await store.collectGarbage();
    expect(await getBytes(store, 'b')).toEqual(pattern(size));
    expect(await violations(kv, { swept: true })).toEqual([]);
    await store.deleteObject({ bucket, key: 'b' });
    await fixture.tasks.runAll();
    expect(await countIn(kv, KEY_SPACE.chunk)).toBe(0);
  },
);

test('a multipart object keeps its parts under the new key, whoever collects garbage', async () => {
  const fixture = await openFixture(LIMITS);
  const { store, kv } = fixture;
  await putParts(store, 'a', pattern(5000));
  await rename(store, 'a', 'b');
  await fixture.tasks.runAll();
  await store.collectGarbage();
  expect(await getBytes(store, 'b')).toEqual(pattern(5000));
  await putBytes(store, 'a', pattern(10));
  await store.deleteObject({ bucket, key: 'a' });
  await store.collectGarbage();
  expect(await getBytes(store, 'b')).toEqual(pattern(5000));
  expect(await violations(kv, { swept: true })).toEqual([]);
});

test('the conditions are asked of the source and of what has the new key', async () => {
  const { store, env } = await openFixture(LIMITS);
  await putBytes(store, 'a', pattern(1));
  await putBytes(store, 'b', pattern(2));
  const a = await store.headObject({ bucket, key: 'a' });
  const b = await store.headObject({ bucket, key: 'b' });
  const laterMs = env.clock.nowMs() + 5000;
  const cases: [object, string][] = [
    [{ sourceConditions: { ifMatch: [b.etag] } }, 'PreconditionFailed'],
    [{ sourceConditions: { ifNoneMatch: [a.etag] } }, 'PreconditionFailed'],
    [{ sourceConditions: { ifModifiedSinceMs: laterMs } }, 'PreconditionFailed'],
    [{ sourceConditions: { ifUnmodifiedSinceMs: laterMs - 10_000 } }, 'PreconditionFailed'],
    [{ conditions: { ifNoneMatch: '*' } }, 'PreconditionFailed'],
    [{ conditions: { ifMatch: [a.etag] } }, 'PreconditionFailed'],
    [{ conditions: { ifModifiedSinceMs: laterMs } }, 'PreconditionFailed'],
    [{ conditions: { ifUnmodifiedSinceMs: laterMs - 10_000 } }, 'PreconditionFailed'],
  ];
  for (const [conditions, code] of cases) {
    expect([conditions, await refusalCode(rename(store, 'a', 'b', conditions))]).toEqual([
      conditions,
      code,
    ]);
  }
  const gone = { conditions: { ifMatch: [a.etag] } };
  expect(await refusalCode(rename(store, 'a', 'c', gone))).toBe('NoSuchKey');
  expect(await keysIn(store)).toEqual(['a', 'b']);
  await rename(store, 'a', 'b', {
    sourceConditions: { ifMatch: [a.etag] },
    conditions: { ifMatch: [b.etag] },
  });
  expect(await getBytes(store, 'b')).toEqual(pattern(1));
});

test('what cannot be renamed is refused, and nothing changes', async () => {
  const { store } = await openFixture(LIMITS);
  await putBytes(store, 'a', pattern(1));
  expect(await refusalCode(rename(store, 'none', 'b'))).toBe('NoSuchKey');
  expect(await refusalCode(rename(store, 'a', 'a'))).toBe('InvalidRequest');
  expect(await refusalCode(rename(store, 'a', 'b/'))).toBe('InvalidRequest');
  expect(await refusalCode(rename(store, 'a/', 'b'))).toBe('InvalidRequest');
  await store.putBucketVersioning(bucket, 'Enabled');
  expect(await refusalCode(rename(store, 'a', 'b'))).toBe('InvalidBucketState');
  await store.putBucketVersioning(bucket, 'Suspended');
  expect(await refusalCode(rename(store, 'a', 'b'))).toBe('InvalidBucketState');
  expect(await keysIn(store)).toEqual(['a']);
});

test('under one token it is done once, for a day', async () => {
  const { store, env, kv } = await openFixture(LIMITS);
  await putBytes(store, 'a', pattern(1));
  const token = { clientToken: 'token' };
  await rename(store, 'a', 'b', token);
  await putBytes(store, 'a', pattern(2));
  await rename(store, 'a', 'b', token);
  expect(await keysIn(store)).toEqual(['a', 'b']);
  expect((await refusal(rename(store, 'a', 'c', token))).code).toBe('IdempotencyParameterMismatch');
  env.manualClock.advance(25 * 60 * 60 * 1000);
  await store.collectGarbage();
  expect(await countIn(kv, KEY_SPACE.clientToken)).toBe(0);
  await rename(store, 'a', 'c', token);
  expect(await keysIn(store)).toEqual(['b', 'c']);
});

test.each([
  ['a put of the source', (store: ObjectStore) => putBytes(store, 'a', pattern(1001, 3))],
  ['a delete of the source', (store: ObjectStore) => store.deleteObject({ bucket, key: 'a' })],
  ['a put of the target', (store: ObjectStore) => putBytes(store, 'b', pattern(1001, 3))],
  ['the same rename', (store: ObjectStore) => codeOf(rename(store, 'a', 'b'))],
  ['a rename back', (store: ObjectStore) => codeOf(rename(store, 'b', 'a'))],
])('%s in any moment of a rename loses nothing and doubles nothing', async (_what, intrude) => {
  const moments = await atEveryMoment(async (wrap, inner) => {
    const fixture = await openFixture({ ...LIMITS, kv: inner });
    const { store } = fixture;
    await putBytes(store, 'a', pattern(2000));
    const other = fixture.again({ kv: wrap(() => intrude(store)) });
    expect(['done', 'NoSuchKey']).toContain(await codeOf(rename(other.store, 'a', 'b')));
    await fixture.tasks.runAll();
    await other.tasks.runAll();
    expect(await violations(inner, { swept: true })).toEqual([]);
  });
  expect(moments).toBeGreaterThan(4);
});

test('32 renames of one object onto different keys: exactly one wins', async () => {
  const { store, again } = await openFixture(LIMITS);
  await putBytes(store, 'a', pattern(2000));
  const stores = [store, again().store, again().store];
  const outcomes = await Promise.all(
    Array.from({ length: 32 }, (_, index) =>
      codeOf(rename(stores[index % 3] ?? store, 'a', `b${index}`)),
    ),
  );
  expect(outcomes.filter((outcome) => outcome === 'done')).toHaveLength(1);
  expect(await keysIn(store)).toHaveLength(1);
});
