import { expect, test } from 'vitest';
import type { ObjectConditions } from '../src/index.ts';
import {
  getBytes,
  OWNER,
  openFixture,
  pattern,
  putBytes,
  readAll,
  refusal,
  refusalCode,
} from './fixture.ts';

const KEY = { bucket: 'bucket', key: 'k' };

/** Conditions on a read of an object with ETag `etag`, last modified in second 100, and the answer. */
const READS: readonly (readonly [string, (etag: string) => ObjectConditions, string])[] = [
  ['If-Match of its ETag', (etag) => ({ ifMatch: [etag] }), 'ok'],
  ['If-Match *', () => ({ ifMatch: '*' }), 'ok'],
  ['If-Match of others and it', (etag) => ({ ifMatch: ['x', etag] }), 'ok'],
  ['If-Match of another', () => ({ ifMatch: ['x'] }), 'PreconditionFailed If-Match'],
  ['If-None-Match of its ETag', (etag) => ({ ifNoneMatch: [etag] }), 'NotModified If-None-Match'],
  ['If-None-Match *', () => ({ ifNoneMatch: '*' }), 'NotModified If-None-Match'],
  ['If-None-Match of another', () => ({ ifNoneMatch: ['x'] }), 'ok'],
  ['unmodified since its second', () => ({ ifUnmodifiedSinceMs: 100_000 }), 'ok'],
  [
    'unmodified since the second before',
    () => ({ ifUnmodifiedSinceMs: 99_999 }),
    'PreconditionFailed If-Unmodified-Since',
  ],
  ['modified since the second before', () => ({ ifModifiedSinceMs: 99_999 }), 'ok'],
  [
    'modified since its second',
    () => ({ ifModifiedSinceMs: 100_000 }),
    'NotModified If-Modified-Since',
  ],
  // RFC 9110 section 13.2.2: an ETag condition makes the date condition of its kind void.
  [
    'If-Match holds, unmodified-since does not',
    (etag) => ({ ifMatch: [etag], ifUnmodifiedSinceMs: 0 }),
    'ok',
  ],
  [
    'If-None-Match holds, modified-since does not',
    () => ({ ifNoneMatch: ['x'], ifModifiedSinceMs: 200_000 }),
    'ok',
  ],
  [
    'If-Match fails before If-None-Match is looked at',
    () => ({ ifMatch: ['x'], ifNoneMatch: '*' }),
    'PreconditionFailed If-Match',
  ],
];

test.each(READS)('a read, %s', async (_, conditionsFor, expected) => {
  const { store, env } = await openFixture();
  env.manualClock.setNowMs(100_700);
  const { etag } = await putBytes(store, 'k', pattern(10));
  const conditions = conditionsFor(etag);
  for (const read of [
    store.headObject({ ...KEY, conditions }),
    getBytes(store, 'k', { conditions }),
  ]) {
    if (expected === 'ok') {
      await read;
      continue;
    }
    const { code, details } = await refusal(read);
    expect(`${code} ${details.condition}`).toBe(expected);
    if (code === 'NotModified') expect(details).toMatchObject({ etag, modifiedMs: 100_700 });
  }
});

test('a write judges its conditions on the object that it would replace', async () => {
  const { store } = await openFixture();
  const put = (conditions: ObjectConditions, seed = 1) =>
    putBytes(store, 'k', pattern(10, seed), { conditions });
  expect(await refusalCode(put({ ifMatch: '*' }))).toBe('NoSuchKey');
  expect(await refusalCode(put({ ifMatch: ['x'] }))).toBe('NoSuchKey');
  const { etag } = await put({ ifNoneMatch: '*' });
  expect(await refusalCode(put({ ifNoneMatch: '*' }))).toBe('PreconditionFailed');
  expect(await refusalCode(put({ ifNoneMatch: [etag] }))).toBe('PreconditionFailed');
  expect(await refusalCode(put({ ifMatch: ['x'] }))).toBe('PreconditionFailed');
  const replaced = await put({ ifMatch: [etag] }, 2);
  expect(await getBytes(store, 'k')).toEqual(pattern(10, 2));
  expect(await refusalCode(put({ ifMatch: [etag] }))).toBe('PreconditionFailed');
  await put({ ifMatch: [replaced.etag] });
});

test('a write that is refused early does not read its body', async () => {
  const { store } = await openFixture();
  await putBytes(store, 'k', pattern(1));
  let asked = false;
  async function* pieces(): AsyncGenerator<Uint8Array, void> {
    asked = true;
    yield pattern(10);
  }
  const conditions = { ifNoneMatch: '*' } as const;
  const refused = store.putObject({
    ...KEY,
    conditions,
    metadata: { user: {} },
    body: { pieces: pieces() },
  });
  expect(await refusalCode(refused)).toBe('PreconditionFailed');
  expect(asked).toBe(false);
});

test('a delete judges ETag, size and time', async () => {
  const { store, env } = await openFixture();
  env.manualClock.setNowMs(100_700);
  const { etag } = await putBytes(store, 'k', pattern(10));
  const remove = (conditions: object) => store.deleteObject({ ...KEY, conditions });
  expect(await refusalCode(remove({ ifMatch: ['x'] }))).toBe('PreconditionFailed');
  expect(await refusalCode(remove({ ifSizeBytes: 9 }))).toBe('PreconditionFailed');
  expect(await refusalCode(remove({ ifLastModifiedMs: 99_000 }))).toBe('PreconditionFailed');
  await remove({ ifMatch: [etag], ifSizeBytes: 10, ifLastModifiedMs: 100_000 });
  expect(await refusalCode(remove({ ifMatch: [etag] }))).toBe('NoSuchKey');
  expect(await refusalCode(remove({ ifMatch: '*' }))).toBe('NoSuchKey');
  await remove({ ifSizeBytes: 9 });
  await remove({ ifLastModifiedMs: 99_000 });
});

test('a copy judges the source and the destination', async () => {
  const { store } = await openFixture();
  const { etag } = await putBytes(store, 'source', pattern(10), {
    metadata: { user: { a: 'b' }, contentType: 'x/y' },
  });
  const copy = (extra: object) =>
    store.copyObject({ ...KEY, source: { bucket: 'bucket', key: 'source' }, ...extra });
  expect(await refusalCode(copy({ sourceConditions: { ifMatch: ['x'] } }))).toBe(
    'PreconditionFailed',
  );
  expect(await refusalCode(copy({ sourceConditions: { ifNoneMatch: [etag] } }))).toBe(
    'PreconditionFailed',
  );
  expect(await refusalCode(copy({ conditions: { ifMatch: '*' } }))).toBe('NoSuchKey');
  expect(await copy({ sourceConditions: { ifMatch: [etag] } })).toMatchObject({ etag });
  expect(await store.headObject(KEY)).toMatchObject({
    metadata: { user: { a: 'b' }, contentType: 'x/y' },
  });
  expect(await refusalCode(copy({ conditions: { ifNoneMatch: '*' } }))).toBe('PreconditionFailed');
  const self = { source: KEY };
  expect(await refusalCode(copy(self))).toBe('InvalidRequest');
  await copy({ ...self, metadata: { user: { c: 'd' } } });
  expect((await store.headObject(KEY)).metadata).toEqual({ user: { c: 'd' } });
  expect(await refusalCode(copy({ source: { bucket: 'bucket', key: 'none' } }))).toBe('NoSuchKey');
});

test('of 32 racing creators of a key, in two processes, exactly one wins', async () => {
  for (const length of [10, 200_000]) {
    const { store, again } = await openFixture();
    const other = again().store;
    const racers = Array.from({ length: 32 }, (_, racer) =>
      putBytes(racer % 2 === 0 ? store : other, 'k', pattern(length, racer), {
        conditions: { ifNoneMatch: '*' },
      }).then(
        () => racer,
        (error: { code: string }) => error.code,
      ),
    );
    const answers = await Promise.all(racers);
    const winners = answers.filter((answer) => typeof answer === 'number');
    expect(winners).toHaveLength(1);
    expect(new Set(answers)).toEqual(new Set([...winners, 'PreconditionFailed']));
    expect(await getBytes(store, 'k')).toEqual(pattern(length, winners[0] as number));
  }
});

test('racing writers that each raise a number by If-Match lose none of it', async () => {
  const { store, again } = await openFixture();
  const stores = [store, again().store, again().store];
  await putBytes(store, 'k', Uint8Array.of(0));
  const raise = async (at: number): Promise<void> => {
    const own = stores[at % stores.length] as typeof store;
    for (;;) {
      const reader = await own.getObject(KEY);
      const value = (await readAll(reader))[0] as number;
      const conditions = { ifMatch: [reader.info.etag] };
      try {
        await putBytes(own, 'k', Uint8Array.of(value + 1), { conditions });
        return;
      } catch (error) {
        if ((error as { code?: string }).code !== 'PreconditionFailed') throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: 24 }, (_, at) => raise(at)));
  expect(await getBytes(store, 'k')).toEqual(Uint8Array.of(24));
});

test('a bucket belongs to who made it, and is made once', async () => {
  const { store } = await openFixture();
  expect(await refusalCode(store.createBucket('bucket', OWNER))).toBe('BucketAlreadyOwnedByYou');
  expect(await refusalCode(store.createBucket('bucket', { ...OWNER, ownerId: 'you' }))).toBe(
    'BucketAlreadyExists',
  );
});
