import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ObjectStore } from '../src/index.ts';
import { KEY_SPACE, spaceRange } from '../src/keys.ts';
import {
  type Fixture,
  getBytes,
  openFixture,
  pattern,
  piecesOf,
  putBytes,
  refusalCode,
} from './fixture.ts';

const MIB = 1024 * 1024;
const bucket = 'bucket';

async function versioned(): Promise<Fixture> {
  const fixture = await openFixture();
  await fixture.store.putBucketVersioning(bucket, 'Enabled');
  return fixture;
}

/** Each version as `key@body`, a delete marker as `key@-`; the latest with a star. */
async function listed(store: ObjectStore, limit = 1000): Promise<string[]> {
  const lines: string[] = [];
  let marker: { afterKey?: string; afterVersionId?: string } = {};
  for (;;) {
    const page = await store.listObjectVersions({ bucket, limit, ...marker });
    for (const { key, versionId, isLatest, isDeleteMarker, sizeBytes } of page.versions) {
      const name = versionId === 'null' ? 'null' : '';
      lines.push(`${key}@${isDeleteMarker ? '-' : sizeBytes}${name}${isLatest ? '*' : ''}`);
    }
    if (!page.more) return lines;
    marker = {
      ...(page.lastKey !== undefined && { afterKey: page.lastKey }),
      ...(page.lastVersionId !== undefined && { afterVersionId: page.lastVersionId }),
    };
  }
}

async function put(store: ObjectStore, key: string, size: number): Promise<string> {
  const { versionId } = await putBytes(store, key, pattern(size, size));
  return versionId ?? 'none';
}

async function chunkCount({ kv }: Fixture): Promise<number> {
  const page = await kv.scan({ ...spaceRange(KEY_SPACE.chunk), limit: 1000, values: false });
  return page.entries.length;
}

test('with versioning every put is kept, and each is read by its id', async () => {
  const { store } = await versioned();
  const ids = [await put(store, 'a', 1), await put(store, 'a', 2), await put(store, 'a', 3)];
  expect(await listed(store)).toEqual(['a@3*', 'a@2', 'a@1']);
  for (const [index, versionId] of ids.entries()) {
    const info = await store.headObject({ bucket, key: 'a', versionId });
    expect(info).toMatchObject({ sizeBytes: index + 1, versionId });
  }
  expect(await store.headObject({ bucket, key: 'a' })).toMatchObject({ versionId: ids[2] });
});

test('versions are in the order of their commits, whatever the clock says', async () => {
  const { store } = await versioned();
  const sizes = Array.from({ length: 20 }, (_, index) => index + 1);
  for (const size of sizes) await put(store, 'a', size);
  const expected = sizes.map((size) => `a@${size}${size === 20 ? '*' : ''}`).reverse();
  expect(await listed(store)).toEqual(expected);
});

test('a delete makes a marker that hides the object, and deleting the marker brings it back', async () => {
  const { store } = await versioned();
  await put(store, 'a', 1);
  const marker = await store.deleteObject({ bucket, key: 'a' });
  expect(marker.deleteMarker).toBe(true);
  expect(await listed(store)).toEqual(['a@-*', 'a@1']);
  expect((await store.listObjects({ bucket, limit: 10 })).objects).toEqual([]);
  const gone = await store.headObject({ bucket, key: 'a' }).catch((error: unknown) => error);
  expect(gone).toMatchObject({
    code: 'NoSuchKey',
    details: { deleteMarker: true, versionId: marker.versionId },
  });
  const versionId = marker.versionId ?? '';
  expect(await refusalCode(store.headObject({ bucket, key: 'a', versionId }))).toBe(
    'MethodNotAllowed',
  );
  expect(await store.deleteObject({ bucket, key: 'a', versionId })).toEqual({
    versionId,
    deleteMarker: true,
  });
  expect(await listed(store)).toEqual(['a@1*']);
  expect(await getBytes(store, 'a')).toEqual(pattern(1, 1));
});

test('a delete of a key that never was makes a marker, and a second one stacks on it', async () => {
  const { store } = await versioned();
  await store.deleteObject({ bucket, key: 'a' });
  await store.deleteObject({ bucket, key: 'a' });
  expect(await listed(store)).toEqual(['a@-*', 'a@-']);
});

test('deleting the latest version makes the newest of the others the latest', async () => {
  const { store } = await versioned();
  await put(store, 'a', 1);
  await store.deleteObject({ bucket, key: 'a' });
  const third = await put(store, 'a', 3);
  await store.deleteObject({ bucket, key: 'a', versionId: third });
  expect(await listed(store)).toEqual(['a@-*', 'a@1']);
});

test('an id that is not there is deleted already, and one that never could be is refused', async () => {
  const { store } = await versioned();
  const id = await put(store, 'a', 1);
  const other = `${id.slice(0, 31)}${id.endsWith('0') ? '1' : '0'}`;
  expect(await store.deleteObject({ bucket, key: 'a', versionId: other })).toEqual({
    versionId: other,
  });
  expect(await refusalCode(store.headObject({ bucket, key: 'a', versionId: other }))).toBe(
    'NoSuchVersion',
  );
  expect(await refusalCode(store.deleteObject({ bucket, key: 'a', versionId: 'x' }))).toBe(
    'InvalidArgument',
  );
  expect(await listed(store)).toEqual(['a@1*']);
});

test('what was there before versioning is the null version, and stays readable as such', async () => {
  const { store } = await openFixture();
  await put(store, 'a', 1);
  await store.putBucketVersioning(bucket, 'Enabled');
  expect((await store.headObject({ bucket, key: 'a' })).versionId).toBe('null');
  await put(store, 'a', 2);
  expect(await listed(store)).toEqual(['a@2*', 'a@1null']);
  const info = await store.headObject({ bucket, key: 'a', versionId: 'null' });
  expect(info.sizeBytes).toBe(1);
  await store.deleteObject({ bucket, key: 'a', versionId: 'null' });
  expect(await listed(store)).toEqual(['a@2*']);
});

test('suspended, a put replaces the null version wherever it is, and no other', async () => {
  const fixture = await openFixture();
  const { store } = fixture;
  await put(store, 'a', 1);
  await store.putBucketVersioning(bucket, 'Enabled');
  await put(store, 'a', 2);
  await store.putBucketVersioning(bucket, 'Suspended');
  expect(await put(store, 'a', 3)).toBe('null');
  expect(await listed(store)).toEqual(['a@3null*', 'a@2']);
  expect(await put(store, 'a', 4)).toBe('null');
  expect(await listed(store)).toEqual(['a@4null*', 'a@2']);
  expect(await chunkCount(fixture)).toBe(2);
  await store.deleteObject({ bucket, key: 'a' });
  expect(await listed(store)).toEqual(['a@-null*', 'a@2']);
  expect(await chunkCount(fixture)).toBe(1);
  await store.deleteObject({ bucket, key: 'a', versionId: 'null' });
  expect(await listed(store)).toEqual(['a@2*']);
});

test('a bucket with nothing but an older version or a marker is not empty', async () => {
  const { store } = await versioned();
  const id = await put(store, 'a', 1);
  const { versionId = '' } = await store.deleteObject({ bucket, key: 'a' });
  expect(await refusalCode(store.deleteBucket(bucket))).toBe('BucketNotEmpty');
  await store.deleteObject({ bucket, key: 'a', versionId: id });
  expect(await refusalCode(store.deleteBucket(bucket))).toBe('BucketNotEmpty');
  await store.deleteObject({ bucket, key: 'a', versionId });
  await store.deleteBucket(bucket);
});

test('a listing of versions gives every one once, whatever the size of its pages', async () => {
  const { store } = await versioned();
  for (const key of ['a', 'a\0', 'a/b', 'a/c', 'b']) {
    for (const size of [1, 2, 3]) await put(store, key, size);
    await store.deleteObject({ bucket, key });
  }
  await put(store, 'b', 4);
  const all = await listed(store);
  expect(all).toHaveLength(21);
  expect(all.slice(-6)).toEqual(['a/c@1', 'b@4*', 'b@-', 'b@3', 'b@2', 'b@1']);
  for (const limit of [1, 2, 3, 7]) expect(await listed(store, limit)).toEqual(all);
});

test('a listing of versions rolls keys up to common prefixes, and goes on after one', async () => {
  const { store } = await versioned();
  for (const key of ['a', 'b/1', 'b/2', 'c']) {
    await put(store, key, 1);
    await put(store, key, 2);
  }
  const page = await store.listObjectVersions({ bucket, delimiter: '/', limit: 3 });
  expect(page.versions.map(({ key }) => key)).toEqual(['a', 'a']);
  expect(page).toMatchObject({ commonPrefixes: ['b/'], more: true, lastKey: 'b/' });
  const next = await store.listObjectVersions({ bucket, delimiter: '/', afterKey: 'b/', limit: 3 });
  expect(next).toMatchObject({ commonPrefixes: [], more: false });
  expect(next.versions.map(({ key, isLatest }) => [key, isLatest])).toEqual([
    ['c', true],
    ['c', false],
  ]);
  const prefixed = await store.listObjectVersions({ bucket, prefix: 'b/', limit: 10 });
  expect(prefixed.versions.map(({ key }) => key)).toEqual(['b/1', 'b/1', 'b/2', 'b/2']);
});

test('conditions look at the latest version, and a marker is nothing that is there', async () => {
  const { store } = await versioned();
  await put(store, 'a', 1);
  const race = { conditions: { ifNoneMatch: '*' as const } };
  expect(await refusalCode(putBytes(store, 'a', pattern(2), race))).toBe('PreconditionFailed');
  await store.deleteObject({ bucket, key: 'a' });
  await putBytes(store, 'a', pattern(2), race);
  expect(await listed(store)).toEqual(['a@2*', 'a@-', 'a@1']);
});

test('of racing creators of a versioned key, in two processes, exactly one wins', async () => {
  const fixture = await versioned();
  const stores = [fixture.store, fixture.again().store];
  await fixture.store.deleteObject({ bucket, key: 'a' });
  const outcomes = await Promise.allSettled(
    Array.from({ length: 16 }, (_, index) =>
      putBytes(stores[index % 2] as ObjectStore, 'a', pattern(index + 1), {
        conditions: { ifNoneMatch: '*' },
      }),
    ),
  );
  expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  expect(await listed(fixture.store)).toHaveLength(2);
});

test('writers in two processes lose no version, and agree on which is the latest', async () => {
  const fixture = await versioned();
  const stores = [fixture.store, fixture.again().store];
  const puts = Array.from({ length: 24 }, (_, index) =>
    put(stores[index % 2] as ObjectStore, 'a', index + 1),
  );
  const ids = await Promise.all(puts);
  const page = await fixture.store.listObjectVersions({ bucket, limit: 100 });
  expect(new Set(page.versions.map(({ versionId }) => versionId))).toEqual(new Set(ids));
  expect(page.versions.filter(({ isLatest }) => isLatest)).toHaveLength(1);
  const latest = await fixture.store.headObject({ bucket, key: 'a' });
  expect(latest.versionId).toBe(page.versions[0]?.versionId);
});

test('a store that has not heard of versioning yet loses nothing', async () => {
  const fixture = await openFixture();
  const other = fixture.again().store;
  await put(other, 'a', 1);
  await fixture.store.putBucketVersioning(bucket, 'Enabled');
  await other.deleteObject({ bucket, key: 'a' });
  await put(other, 'a', 2);
  expect(await listed(fixture.store)).toEqual(['a@2*', 'a@-', 'a@1null']);
});

test('garbage collection keeps what older versions hold, and takes what they held', async () => {
  const fixture = await versioned();
  const { store } = fixture;
  const big = (await putBytes(store, 'a', pattern(3 * MIB))).versionId ?? '';
  await put(store, 'a', 1);
  await store.collectGarbage();
  expect(await getBytes(store, 'a', { versionId: big })).toEqual(pattern(3 * MIB));
  await store.deleteObject({ bucket, key: 'a', versionId: big });
  await fixture.tasks.runAll();
  expect(await chunkCount(fixture)).toBe(1);
});

/** The object `a` as one part; its version. */
async function putInParts(store: ObjectStore, bytes: Uint8Array): Promise<string> {
  const metadata = { user: {} };
  const upload = await store.createMultipartUpload({ bucket, key: 'a', ownerId: 'me', metadata });
  const body = { pieces: piecesOf(bytes) };
  const part = await store.uploadPart({ ...upload, partNumber: 1, body });
  const { versionId = '' } = await store.completeMultipartUpload({ ...upload, parts: [part] });
  return versionId;
}

test('garbage collection knows the parts of a multipart object that is an older version', async () => {
  const fixture = await versioned();
  const { store } = fixture;
  const bytes = pattern(2 * MIB);
  const versionId = await putInParts(store, bytes);
  await put(store, 'a', 1);
  await store.collectGarbage();
  await store.collectGarbage();
  expect(await getBytes(store, 'a', { versionId })).toEqual(bytes);
  await store.deleteObject({ bucket, key: 'a', versionId });
  await store.collectGarbage();
  expect(await chunkCount(fixture)).toBe(1);
});

test('garbage collection knows the parts of a multipart object that is the null version', async () => {
  const fixture = await versioned();
  const { store } = fixture;
  await store.putBucketVersioning(bucket, 'Suspended');
  const bytes = pattern(2 * MIB);
  await putInParts(store, bytes);
  await store.collectGarbage();
  expect(await getBytes(store, 'a')).toEqual(bytes);
  await store.putBucketVersioning(bucket, 'Enabled');
  await put(store, 'a', 1);
  await store.collectGarbage();
  expect(await getBytes(store, 'a', { versionId: 'null' })).toEqual(bytes);
});

test('a copy of a version onto its own key makes it the latest again', async () => {
  const { store } = await versioned();
  const versionId = await put(store, 'a', 1);
  await put(store, 'a', 2);
  const copy = await store.copyObject({
    bucket,
    key: 'a',
    source: { bucket, key: 'a', versionId },
  });
  expect(copy.sourceVersionId).toBe(versionId);
  expect(await listed(store)).toEqual(['a@1*', 'a@2', 'a@1']);
});

/** The rules of versions on one list, newest first. */
class Model {
  state: 'off' | 'Enabled' | 'Suspended' = 'off';
  versions: { size: number | '-'; isNull: boolean }[] = [];

  add(size: number | '-'): void {
    const isNull = this.state !== 'Enabled';
    if (isNull) this.versions = this.versions.filter((version) => !version.isNull);
    if (size === '-' && this.state === 'off') return;
    this.versions.unshift({ size, isNull });
  }

  lines(): string[] {
    return this.versions.map(
      ({ size, isNull }, at) => `a@${size}${isNull ? 'null' : ''}${at === 0 ? '*' : ''}`,
    );
  }
}

test('any run of puts, deletes and switches leaves the versions that the rules say', async () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('put' as const), size: fc.integer({ min: 1, max: 99 }) }),
    fc.record({ kind: fc.constant('delete' as const) }),
    fc.record({ kind: fc.constant('drop' as const), at: fc.nat(6) }),
    fc.record({ kind: fc.constantFrom('Enabled' as const, 'Suspended' as const) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const { store } = await openFixture();
      const model = new Model();
      for (const one of steps) {
        if (one.kind === 'put') {
          await put(store, 'a', one.size);
          model.add(one.size);
        } else if (one.kind === 'delete') {
          await store.deleteObject({ bucket, key: 'a' });
          model.add('-');
        } else if (one.kind === 'drop') {
          const { versions } = await store.listObjectVersions({ bucket, limit: 100 });
          const version = versions[one.at];
          if (version === undefined) continue;
          await store.deleteObject({ bucket, key: 'a', versionId: version.versionId });
          model.versions.splice(one.at, 1);
        } else {
          await store.putBucketVersioning(bucket, one.kind);
          model.state = one.kind;
        }
        expect(await listed(store)).toEqual(model.lines());
        const current = (await store.listObjects({ bucket, limit: 10 })).objects[0]?.sizeBytes;
        const newest = model.versions[0]?.size;
        expect(current).toBe(newest === '-' ? undefined : newest);
      }
    }),
    { numRuns: 40 },
  );
});
