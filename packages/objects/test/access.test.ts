import { expect, test } from 'vitest';
import { getBytes, OWNER, openFixture, pattern, putBytes, refusalCode } from './fixture.ts';

test('a setting of a bucket is there until it is taken away, and goes with the bucket', async () => {
  const { store, again } = await openFixture();
  await store.putBucketSetting('bucket', 'policy', '{"a":"é"}');
  await store.putBucketSetting('bucket', 'cors', 'c');
  await store.putBucketSetting('bucket', 'cors', undefined);
  const other = again().store;
  expect((await other.getBucket('bucket')).settings).toEqual(new Map([['policy', '{"a":"é"}']]));
  await store.deleteBucket('bucket');
  await store.createBucket('bucket', OWNER);
  expect((await other.getBucket('bucket')).settings).toEqual(new Map());
});

test('settings that two stores write at once are all kept', async () => {
  const { store, again } = await openFixture();
  const other = again().store;
  const names = Array.from({ length: 6 }, (_, index) => `s${index}`);
  await Promise.all(
    names.map((name, index) => (index % 2 ? store : other).putBucketSetting('bucket', name, name)),
  );
  expect([...(await store.getBucket('bucket')).settings.keys()].sort()).toEqual(names);
});

test('a write meets a setting that another store changed, and still commits', async () => {
  const { store, again } = await openFixture();
  await putBytes(store, 'a', pattern(10));
  await again().store.putBucketSetting('bucket', 'policy', 'p');
  await putBytes(store, 'a', pattern(11));
  expect(await getBytes(store, 'a')).toEqual(pattern(11));
  expect((await store.getBucket('bucket')).settings.get('policy')).toBe('p');
});

test('settings may have half a mebibyte together', async () => {
  const { store } = await openFixture();
  await store.putBucketSetting('bucket', 'a', 'x'.repeat(300_000));
  expect(await refusalCode(store.putBucketSetting('bucket', 'b', 'x'.repeat(300_000)))).toBe(
    'InvalidRequest',
  );
  expect(await refusalCode(store.putBucketSetting('none', 'b', 'x'))).toBe('NoSuchBucket');
});

test('a listing of one owner has that owner’s buckets only, page by page', async () => {
  const { store } = await openFixture();
  for (const name of ['b-1', 'b-2', 'b-3', 'b-4']) {
    await store.createBucket(name, {
      region: 'us-east-1',
      ownerId: name === 'b-2' ? 'other' : 'she',
    });
  }
  const first = await store.listBuckets({ limit: 2, ownerId: 'she' });
  expect(first.buckets.map(({ name }) => name)).toEqual(['b-1', 'b-3']);
  expect(first.more).toBe(true);
  const second = await store.listBuckets({ limit: 2, ownerId: 'she', after: 'b-3' });
  expect(second.buckets.map(({ name }) => name)).toEqual(['b-4']);
  expect(second.more).toBe(false);
});

test('owner and ACL of an object change without its bytes, ETag or time', async () => {
  const { store } = await openFixture();
  await putBytes(store, 'a', pattern(10), { metadata: { user: { x: 'y' }, contentType: 't/t' } });
  const before = await store.headObject({ bucket: 'bucket', key: 'a' });
  await store.putObjectAccess({ bucket: 'bucket', key: 'a' }, { ownerId: 'she', acl: 'A' });
  const after = await store.headObject({ bucket: 'bucket', key: 'a' });
  expect(after).toEqual({ ...before, metadata: { ...before.metadata, ownerId: 'she', acl: 'A' } });
  expect(await getBytes(store, 'a')).toEqual(pattern(10));
  await store.putObjectAccess({ bucket: 'bucket', key: 'a' }, {});
  expect(await store.headObject({ bucket: 'bucket', key: 'a' })).toEqual(before);
  expect(
    await refusalCode(store.putObjectAccess({ bucket: 'bucket', key: 'none' }, { acl: 'A' })),
  ).toBe('NoSuchKey');
});

test('a copy has the owner and ACL that it is given, never those of its source', async () => {
  const { store } = await openFixture();
  const metadata = { user: {}, contentType: 't/t', ownerId: 'she', acl: 'A' };
  await putBytes(store, 'a', pattern(10), { metadata });
  const source = { bucket: 'bucket', key: 'a' };
  await store.copyObject({ bucket: 'bucket', key: 'b', source });
  await store.copyObject({ bucket: 'bucket', key: 'c', source, access: { ownerId: 'he' } });
  const described = async (key: string) =>
    (await store.headObject({ bucket: 'bucket', key })).metadata;
  expect(await described('b')).toEqual({ user: {}, contentType: 't/t' });
  expect(await described('c')).toEqual({ user: {}, contentType: 't/t', ownerId: 'he' });
});
