import { expect, test } from 'vitest';
import { violations } from './consistency.ts';
import { getBytes, openFixture, pattern, putBytes } from './fixture.ts';
import { atEveryMoment, codeOf } from './intruder.ts';

const LIMITS = { chunkSizeBytes: 1000, inlineSizeBytes: 500 };
const bucket = 'bucket';

test('a version that is locked in any moment of its removal is refused or gone, and never both', async () => {
  let refused = 0;
  const moments = await atEveryMoment(async (wrap, inner) => {
    const { store, again } = await openFixture({ kv: inner, ...LIMITS });
    await store.putBucketVersioning(bucket, 'Enabled');
    await store.putBucketObjectLock(bucket, undefined);
    const { versionId = '' } = await putBytes(store, 'k', pattern(2000));
    const address = { bucket, key: 'k', versionId };
    let lock: string | undefined;
    const kv = wrap(async () => {
      lock = await codeOf(store.putObjectLegalHold(address, 'ON'));
    });
    const removed = await codeOf(again({ kv }).store.deleteObject(address));
    if (lock === 'done') {
      expect(removed).toBe('AccessDenied');
      refused++;
      expect(await getBytes(store, 'k', { versionId })).toEqual(pattern(2000));
    } else {
      expect(removed).toBe('done');
    }
    await store.collectGarbage();
    expect(await violations(inner, { swept: true })).toEqual([]);
  });
  expect(moments).toBeGreaterThan(3);
  expect(refused).toBeGreaterThan(3);
});

test('a version that is put in any moment of the removal of the latest one is the latest', async () => {
  const moments = await atEveryMoment(async (wrap, inner) => {
    const { store, again } = await openFixture({ kv: inner, ...LIMITS });
    await store.putBucketVersioning(bucket, 'Enabled');
    await putBytes(store, 'k', pattern(2000, 1));
    const { versionId = '' } = await putBytes(store, 'k', pattern(2000, 2));
    let put = '';
    const kv = wrap(async () => {
      put = (await putBytes(store, 'k', pattern(2000, 3))).versionId ?? '';
    });
    await again({ kv }).store.deleteObject({ bucket, key: 'k', versionId });
    const latest = put === '' ? pattern(2000, 1) : pattern(2000, 3);
    expect(await getBytes(store, 'k')).toEqual(latest);
    const { versions } = await store.listObjectVersions({ bucket, limit: 10 });
    expect(versions.map((each) => each.isLatest)).toEqual(put === '' ? [true] : [true, false]);
  });
  expect(moments).toBeGreaterThan(3);
});

test('an older version that is removed in any moment of the removal of the latest one does not come back', async () => {
  const moments = await atEveryMoment(async (wrap, inner) => {
    const { store, again, tasks } = await openFixture({ kv: inner, ...LIMITS });
    await store.putBucketVersioning(bucket, 'Enabled');
    const older = await putBytes(store, 'k', pattern(2000, 1));
    const latest = await putBytes(store, 'k', pattern(2000, 2));
    const remove = ({ versionId = '' }: { readonly versionId?: string | undefined }) => {
      return { bucket, key: 'k', versionId };
    };
    let isRemoved = false;
    const kv = wrap(async () => {
      await store.deleteObject(remove(older));
      isRemoved = true;
    });
    await again({ kv }).store.deleteObject(remove(latest));
    const { versions } = await store.listObjectVersions({ bucket, limit: 10 });
    expect(versions.length).toBe(isRemoved ? 0 : 1);
    await tasks.runAll();
    expect(await violations(inner, { swept: true })).toEqual([]);
  });
  expect(moments).toBeGreaterThan(3);
});
