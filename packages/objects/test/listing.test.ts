import { compareBytes, utf8 } from '@holdfast/bytes';
import type { KvReader, KvStore } from '@holdfast/kv';
import { createMemoryStore } from '@holdfast/kv/testing';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Fixture, OWNER, openFixture, pattern, putBytes, refusalCode } from './fixture.ts';

interface Query {
  readonly prefix?: string;
  readonly delimiter?: string;
  readonly after?: string;
  readonly limit: number;
}

const byBytes = (left: string, right: string): number => compareBytes(utf8(left), utf8(right));

/** The listing as S3 defines it, over all keys, with no cleverness. */
function naive(keys: readonly string[], query: Query): { names: string[]; more: boolean } {
  const { prefix = '', delimiter, after, limit } = query;
  const names = new Set<string>();
  for (const key of keys) {
    if (!key.startsWith(prefix)) continue;
    const at = delimiter === undefined ? -1 : key.indexOf(delimiter, prefix.length);
    names.add(at < 0 ? key : `${key.slice(0, at + (delimiter as string).length)}\u0000prefix`);
  }
  const bare = (name: string): string => name.replace(/\0prefix$/, '');
  const sorted = [...names]
    .filter((name) => after === undefined || byBytes(bare(name), after) > 0)
    .sort((left, right) => byBytes(bare(left), bare(right)));
  return { names: sorted.slice(0, limit), more: limit > 0 && sorted.length > limit };
}

async function listed(
  { store }: Fixture,
  query: Query,
): Promise<{ names: string[]; more: boolean; last: string | undefined }> {
  const page = await store.listObjects({ bucket: 'bucket', ...query });
  const names = [
    ...page.objects.map(({ key }) => key),
    ...page.commonPrefixes.map((name) => `${name}\u0000prefix`),
  ];
  names.sort((left, right) =>
    byBytes(left.replace(/\0prefix$/, ''), right.replace(/\0prefix$/, '')),
  );
  return { names, more: page.more, last: page.last };
}

// Few letters, so that prefixes are shared; among them what sorts differently in UTF-16 and UTF-8,
// zero bytes, percent signs and dots.
const LETTERS = ['a', 'b', '/', '//', '\u0001', '\u00ff', '\uffee', '\u{1f600}', '%2F', '..', ' '];
const text = (minLength: number, maxLength: number): fc.Arbitrary<string> =>
  fc
    .array(fc.constantFrom(...LETTERS), { minLength, maxLength })
    .map((letters) => letters.join(''));

test('a listing is what a naive listing of all keys is', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(text(1, 5), { maxLength: 20 }),
      fc.array(
        fc.record(
          {
            prefix: text(0, 2),
            delimiter: fc.constantFrom('/', 'a', '//', '\u{1f600}'),
            after: text(0, 4),
            limit: fc.integer({ min: 0, max: 12 }),
          },
          { requiredKeys: ['limit'] },
        ),
        { minLength: 1, maxLength: 10 },
      ),
      async (keys, queries) => {
        const fixture = await openFixture();
        await fixture.store.createBucket('bucket-2', OWNER);
        for (const key of keys) {
          await putBytes(fixture.store, key, pattern(1));
          // A neighbour's keys must never show.
          await putBytes(fixture.store, `${key}2`, pattern(1), { bucket: 'bucket-2' });
        }
        for (const query of queries) {
          const { names, more } = await listed(fixture, query as Query);
          expect({ names, more }).toEqual(naive(keys, query as Query));
        }
      },
    ),
    { numRuns: 60 },
  );
});

test('pages one after another give every name once', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(text(1, 5), { maxLength: 20 }),
      fc.integer({ min: 1, max: 4 }),
      fc.option(fc.constant('/'), { nil: undefined }),
      async (keys, limit, delimiter) => {
        const fixture = await openFixture();
        for (const key of keys) await putBytes(fixture.store, key, pattern(1));
        const query = delimiter === undefined ? {} : { delimiter };
        const seen: string[] = [];
        let after: string | undefined;
        for (;;) {
          const page = await listed(fixture, {
            ...query,
            limit,
            ...(after === undefined ? {} : { after }),
          });
          seen.push(...page.names);
          if (!page.more) break;
          after = page.last;
        }
        expect(seen).toEqual(naive(keys, { ...query, limit: 1000 }).names);
      },
    ),
    { numRuns: 40 },
  );
});

/** Counts what cursors of the store do. */
function counting(kv: KvStore): { readonly kv: KvStore; readonly steps: () => number } {
  let steps = 0;
  const cursor: KvReader['cursor'] = async (options) => {
    const inner = await kv.cursor(options);
    return {
      next: () => {
        steps++;
        return inner.next();
      },
      seek: (key) => {
        steps++;
        inner.seek(key);
      },
      close: () => inner.close(),
    };
  };
  const counted = new Proxy(kv, {
    get: (target, name) => {
      if (name === 'cursor') return cursor;
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  return { kv: counted, steps: () => steps };
}

test('a listing with a delimiter costs the number of results, not of keys', async () => {
  const { kv, steps } = counting(createMemoryStore());
  const { store } = await openFixture({ kv });
  for (let folder = 0; folder < 5; folder++) {
    for (let file = 0; file < 100; file++) await putBytes(store, `${folder}/${file}`, pattern(1));
  }
  const before = steps();
  const page = await store.listObjects({ bucket: 'bucket', delimiter: '/', limit: 1000 });
  expect(page.commonPrefixes).toEqual(['0/', '1/', '2/', '3/', '4/']);
  expect(steps() - before).toBeLessThanOrEqual(2 * 5 + 1);
});

test('a page of no names is no error, and says that there are no more', async () => {
  const { store } = await openFixture();
  await putBytes(store, 'k', pattern(1));
  expect(await store.listObjects({ bucket: 'bucket', limit: 0 })).toEqual({
    objects: [],
    commonPrefixes: [],
    more: false,
    last: undefined,
  });
  expect(await refusalCode(store.listObjects({ bucket: 'nobody', limit: 1 }))).toBe('NoSuchBucket');
});

test('the pages of a pinned listing are of the revision of the first', async () => {
  const { store } = await openFixture();
  for (const key of ['a', 'b', 'c', 'd']) await putBytes(store, key, pattern(1));
  const first = await store.listObjects({ bucket: 'bucket', limit: 2, pinned: true });
  expect(first.pin).toMatch(/^[0-9a-f]{32}$/);
  await store.deleteObject({ bucket: 'bucket', key: 'c' });
  await putBytes(store, 'd', pattern(7));
  await putBytes(store, 'e', pattern(1));
  await store.collectGarbage();
  const pinned = first.pin ?? '';
  const second = await store.listObjects({ bucket: 'bucket', limit: 1, after: 'b', pinned });
  expect([second.pin, second.objects.map(({ key }) => key)]).toEqual([pinned, ['c']]);
  const last = await store.listObjects({ bucket: 'bucket', limit: 2, after: 'c', pinned });
  expect(last.objects.map(({ key, sizeBytes }) => `${key}@${sizeBytes}`)).toEqual(['d@1']);
  expect([last.more, last.pin]).toEqual([false, undefined]);
  // Its end gave the view back.
  const again = store.listObjects({ bucket: 'bucket', limit: 2, after: 'c', pinned });
  expect(await refusalCode(again)).toBe('InvalidArgument');
  const now = await store.listObjects({ bucket: 'bucket', limit: 9 });
  expect(now.objects.map(({ key, sizeBytes }) => `${key}@${sizeBytes}`)).toEqual([
    'a@1',
    'b@1',
    'd@7',
    'e@1',
  ]);
});

test('the pages of a pinned listing of versions are of the revision of the first', async () => {
  const { store } = await openFixture();
  await store.putBucketSetting('bucket', 'versioning', 'Enabled');
  for (const key of ['a', 'a', 'b', 'c']) await putBytes(store, key, pattern(1));
  const names = (page: Awaited<ReturnType<typeof store.listObjectVersions>>) =>
    page.versions.map(({ key, isLatest, isDeleteMarker }) =>
      [key, isLatest && 'latest', isDeleteMarker && 'marker'].filter(Boolean).join(' '),
    );
  const first = await store.listObjectVersions({ bucket: 'bucket', limit: 1, pinned: true });
  expect([names(first), first.pin]).toEqual([
    ['a latest'],
    expect.stringMatching(/^[0-9a-f]{32}$/),
  ]);
  await putBytes(store, 'a', pattern(2));
  await store.deleteObject({ bucket: 'bucket', key: 'b' });
  await store.deleteObject({ bucket: 'bucket', key: 'c' });
  await putBytes(store, 'd', pattern(1));
  const pinned = first.pin ?? '';
  const { lastKey: afterKey = '', lastVersionId: afterVersionId = '' } = first;
  const rest = { bucket: 'bucket', afterKey, afterVersionId, limit: 9 };
  const last = await store.listObjectVersions({ ...rest, pinned });
  expect([names(last), last.pin]).toEqual([['a', 'b latest', 'c latest'], undefined]);
  // Its end gave the view back.
  expect(await refusalCode(store.listObjectVersions({ ...rest, pinned }))).toBe('InvalidArgument');
  const now = await store.listObjectVersions(rest);
  expect(names(now)).toContain('b latest marker');
});

test('a page of versions leaves none out where those before it were deleted', async () => {
  const { store } = await openFixture();
  await store.putBucketSetting('bucket', 'versioning', 'Enabled');
  for (let size = 1; size <= 5; size++) await putBytes(store, 'k', pattern(size));
  const first = await store.listObjectVersions({ bucket: 'bucket', limit: 3 });
  for (const { versionId } of first.versions) {
    await store.deleteObject({ bucket: 'bucket', key: 'k', versionId });
  }
  const rest = await store.listObjectVersions({
    bucket: 'bucket',
    afterKey: first.lastKey ?? '',
    afterVersionId: first.lastVersionId ?? '',
    limit: 9,
  });
  // The second oldest is the latest now.
  expect(rest.versions.map(({ sizeBytes, isLatest }) => [sizeBytes, isLatest])).toEqual([
    [2, true],
    [1, false],
  ]);
});

test('after a null version that was deleted no version of its key is left out', async () => {
  const { store } = await openFixture();
  await store.putBucketSetting('bucket', 'versioning', 'Enabled');
  for (const size of [1, 2]) await putBytes(store, 'k', pattern(size));
  await store.putBucketSetting('bucket', 'versioning', 'Suspended');
  await putBytes(store, 'k', pattern(3));
  const after = { bucket: 'bucket', afterKey: 'k', afterVersionId: 'null', limit: 9 };
  const sizes = async () =>
    (await store.listObjectVersions(after)).versions.map(({ sizeBytes }) => sizeBytes);
  expect(await sizes()).toEqual([2, 1]);
  await store.deleteObject({ bucket: 'bucket', key: 'k', versionId: 'null' });
  expect(await sizes()).toEqual([2, 1]);
});

test('pinned listings are bounded in number and age, and are of their bucket', async () => {
  const { store, env } = await openFixture({ pinnedListings: 2 });
  for (const key of ['a', 'b']) await putBytes(store, key, pattern(1));
  const begin = (bucket = 'bucket') => store.listObjects({ bucket, limit: 1, pinned: true });
  const [first, , third] = await Promise.allSettled([begin(), begin(), begin()]);
  expect(third).toMatchObject({ status: 'rejected', reason: { code: 'KV_BUSY' } });
  const pinned = (first.status === 'fulfilled' && first.value.pin) || '';
  await store.createBucket('other', OWNER);
  const elsewhere = store.listObjects({ bucket: 'other', limit: 1, pinned });
  expect(await refusalCode(elsewhere)).toBe('InvalidArgument');
  env.manualClock.advance(10 * 60 * 1000);
  const late = store.listObjects({ bucket: 'bucket', limit: 1, after: 'a', pinned });
  expect(await refusalCode(late)).toBe('InvalidArgument');
  expect((await begin()).pin).toBeDefined();
});
