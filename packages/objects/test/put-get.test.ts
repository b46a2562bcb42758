import { expect, test } from 'vitest';
import { getBytes, openFixture, pattern, putBytes, refusalCode } from './fixture.ts';

test.each([0, 1, 100, 4096, 131_072, 131_073, 1_048_576, 1_048_577, 5_000_000])(
  'an object of %i bytes is read as it was put',
  async (length) => {
    const { store } = await openFixture();
    const bytes = pattern(length);
    const { etag, sizeBytes } = await putBytes(store, 'k', bytes);
    expect(sizeBytes).toBe(length);
    expect(etag).toMatch(/^[0-9a-f]{32}$/);
    expect(Buffer.compare(await getBytes(store, 'k'), bytes)).toBe(0);
    expect(await store.headObject({ bucket: 'bucket', key: 'k' })).toMatchObject({
      etag,
      sizeBytes,
    });
  },
);

test('a deleted object is gone, and deleting it again is no error', async () => {
  const { store } = await openFixture();
  await putBytes(store, 'k', pattern(10));
  await store.deleteObject({ bucket: 'bucket', key: 'k' });
  await store.deleteObject({ bucket: 'bucket', key: 'k' });
  expect(await refusalCode(store.headObject({ bucket: 'bucket', key: 'k' }))).toBe('NoSuchKey');
});

test('a listing with a delimiter rolls keys up', async () => {
  const { store } = await openFixture();
  for (const key of ['a', 'b/1', 'b/2', 'c']) await putBytes(store, key, pattern(3));
  const page = await store.listObjects({ bucket: 'bucket', delimiter: '/', limit: 10 });
  expect(page.objects.map((object) => object.key)).toEqual(['a', 'c']);
  expect(page.commonPrefixes).toEqual(['b/']);
});
