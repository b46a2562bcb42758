import { createMemoryStore } from '@holdfast/kv/testing';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ObjectStore, TransactionOperation } from '../src/index.ts';
import { KEY_SPACE } from '../src/keys.ts';
import { countIn, violations } from './consistency.ts';
import { openEncrypted } from './encryption-fixture.ts';
import { getBytes, openFixture, pattern, piecesOf, putBytes, refusal } from './fixture.ts';
import { atEveryMoment, codeOf } from './intruder.ts';

const bucket = 'bucket';
const LIMITS = { chunkSizeBytes: 1000, inlineSizeBytes: 500, minPartSizeBytes: 1 };

async function* each<T>(values: readonly T[]): AsyncGenerator<T, void, undefined> {
  yield* values;
}

const put = (key: string, size: number, more: object = {}): TransactionOperation => ({
  op: 'put',
  key,
  body: { sizeBytes: size, pieces: piecesOf(pattern(size, size)) },
  metadata: { user: {} },
  ...more,
});
const copy = (key: string, source: string, more: object = {}): TransactionOperation => ({
  op: 'copy',
  key,
  source: { bucket, key: source },
  ...more,
});
const remove = (key: string, conditions?: TransactionOperation['conditions']) =>
  ({ op: 'delete', key, conditions }) as const;
const check = (key: string, conditions: TransactionOperation['conditions']) =>
  ({ op: 'check', key, conditions }) as const;

const transact = (
  store: ObjectStore,
  operations: readonly TransactionOperation[],
  clientToken?: string,
) =>
  store.transactObjects({
    bucket,
    operations: each(operations),
    ...(clientToken !== undefined && { clientToken }),
  });

/** Each object as `key@size`. */
async function listed(store: ObjectStore): Promise<string[]> {
  const { objects } = await store.listObjects({ bucket, limit: 1000 });
  return objects.map(({ key, sizeBytes }) => `${key}@${sizeBytes}`);
}

test('puts of every size, copies, deletes and conditions happen together', async () => {
  const fixture = await openFixture(LIMITS);
  const { store, kv } = fixture;
  await putBytes(store, 'old', pattern(3000, 3000));
  await putBytes(store, 'over', pattern(4000, 1));
  const { etag } = await store.headObject({ bucket, key: 'old' });
  const results = await transact(store, [
    put('empty', 0),
    put('small', 10, { metadata: { user: { a: 'b' }, tagging: 'k=v' } }),
    put('large', 5000),
    put('over', 2000, { conditions: { ifMatch: '*' } }),
    copy('copied', 'old'),
    remove('old', { ifMatch: [etag] }),
    remove('none'),
    check('absent', { ifNoneMatch: '*' }),
  ]);
  expect(results.map((result) => [result.op, result.key])).toEqual([
    ['put', 'empty'],
    ['put', 'small'],
    ['put', 'large'],
    ['put', 'over'],
    ['copy', 'copied'],
    ['delete', 'old'],
    ['delete', 'none'],
    ['check', 'absent'],
  ]);
  expect(results[4]).toMatchObject({ etag, sizeBytes: 3000 });
  expect(await listed(store)).toEqual([
    'copied@3000',
    'empty@0',
    'large@5000',
    'over@2000',
    'small@10',
  ]);
  for (const size of [0, 10, 5000]) {
    const key = size === 0 ? 'empty' : size === 10 ? 'small' : 'large';
    expect(await getBytes(store, key)).toEqual(pattern(size, size));
  }
  expect(await getBytes(store, 'copied')).toEqual(pattern(3000, 3000));
  const { metadata } = await store.headObject({ bucket, key: 'small' });
  expect(metadata).toEqual({ user: { a: 'b' }, tagging: 'k=v' });
  await fixture.tasks.runAll();
  expect(await violations(kv, { swept: true })).toEqual([]);
});

test('where one condition does not hold, nothing happens, and nothing is left', async () => {
  const fixture = await openFixture(LIMITS);
  const { store, kv } = fixture;
  await putBytes(store, 'a', pattern(3000, 1));
  const before = await listed(store);
  for (const last of [
    check('a', { ifNoneMatch: '*' }),
    check('b', { ifMatch: '*' }),
    remove('c', { ifMatch: '*' }),
    put('d', 3000, { conditions: { ifMatch: ['0'] } }),
    copy('e', 'none'),
    copy('e', 'a', { sourceConditions: { ifMatch: ['0'] } }),
  ]) {
    const first = last.key === 'a' ? put('x', 10) : put('a', 6000);
    const error = await refusal(transact(store, [first, put('new', 6000), last]));
    expect(['PreconditionFailed', 'NoSuchKey']).toContain(error.code);
    if (last.op !== 'copy') expect(error.details).toMatchObject({ key: last.key, operation: 2 });
    expect(await listed(store)).toEqual(before);
  }
  await fixture.tasks.runAll();
  expect(await violations(kv, { swept: true })).toEqual([]);
});

test('what is not a transaction is refused', async () => {
  const { store, kv } = await openFixture(LIMITS);
  const many = Array.from({ length: 1001 }, (_, index) => remove(`k${index}`));
  expect((await refusal(transact(store, []))).code).toBe('InvalidRequest');
  expect((await refusal(transact(store, many))).code).toBe('InvalidRequest');
  expect((await refusal(transact(store, [put('a', 1), put('a', 2)]))).code).toBe('InvalidRequest');
  expect((await refusal(transact(store, [put('', 1)]))).code).toBe('InvalidArgument');
  const long = Array.from({ length: 1000 }, (_, index) =>
    put(`${'k'.repeat(1000)}${index}`, 100, { metadata: { user: { a: 'b'.repeat(1000) } } }),
  );
  expect((await refusal(transact(store, long))).code).toBe('EntityTooLarge');
  const nowhere = store.transactObjects({ bucket: 'nowhere', operations: each([put('a', 1)]) });
  expect((await refusal(nowhere)).code).toBe('NoSuchBucket');
  expect(await listed(store)).toEqual([]);
  expect(await countIn(kv, KEY_SPACE.chunk)).toBe(0);
});

test('1000 operations are one transaction of the KvStore', async () => {
  const inner = createMemoryStore();
  const fixture = await openFixture({ kv: inner });
  let transactions = 0;
  const kv = new Proxy(inner, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name);
      if (name === 'transact') transactions++;
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  const { store } = fixture.again({ kv });
  const operations = Array.from({ length: 1000 }, (_, index) => put(`k${index}`, index % 7));
  expect(await transact(store, operations)).toHaveLength(1000);
  expect(transactions).toBe(1);
  expect((await listed(store)).length).toBe(1000);
});

test('1000 operations of keys of 100 bytes fit into an entry, over older versions too', async () => {
  const { store } = await openFixture();
  await store.putBucketVersioning(bucket, 'Enabled');
  const keys = Array.from({ length: 1000 }, (_, index) => `${index}`.padStart(100, '0'));
  for (const size of [100, 200])
    await transact(
      store,
      keys.map((key) => put(key, size)),
    );
  expect(
    await transact(
      store,
      keys.map((key) => remove(key, { ifMatch: '*' })),
    ),
  ).toHaveLength(1000);
});

test('more large bodies than there are buffers are no hindrance', async () => {
  const { store, kv } = await openFixture({ ...LIMITS, writeBuffers: 2, spareBuffers: 1 });
  const operations = Array.from({ length: 20 }, (_, index) => put(`k${index}`, 1500));
  await transact(store, operations);
  expect(await getBytes(store, 'k19')).toEqual(pattern(1500, 1500));
  expect(await violations(kv, { swept: true })).toEqual([]);
});

test('with versioning each put is a version and each delete a marker', async () => {
  const { store } = await openFixture(LIMITS);
  await store.putBucketVersioning(bucket, 'Enabled');
  await putBytes(store, 'a', pattern(1));
  await putBytes(store, 'b', pattern(1));
  const results = await transact(store, [put('a', 2), remove('b'), copy('c', 'a')]);
  expect(results[1]).toMatchObject({ op: 'delete', deleteMarker: true });
  for (const result of results) expect(result.versionId).toMatch(/^[0-9a-f]{32}$/);
  const { versions } = await store.listObjectVersions({ bucket, limit: 10 });
  const lines = versions.map(
    ({ key, sizeBytes, isLatest, isDeleteMarker }) =>
      `${key}@${isDeleteMarker ? '-' : sizeBytes}${isLatest ? '*' : ''}`,
  );
  expect(lines).toEqual(['a@2*', 'a@1', 'b@-*', 'b@1', 'c@1*']);
});

test('under one token it happens once, and the retry gets the first answer', async () => {
  const fixture = await openFixture(LIMITS);
  const { store, kv } = fixture;
  const operations = () => [put('a', 10), put('b', 5000), remove('c')];
  const first = await transact(store, operations(), 'token');
  await putBytes(store, 'a', pattern(1));
  expect(await transact(store, operations(), 'token')).toEqual(first);
  expect(await listed(store)).toEqual(['a@1', 'b@5000']);
  const another = transact(store, [put('a', 11), put('b', 5000), remove('c')], 'token');
  expect((await refusal(another)).code).toBe('IdempotencyParameterMismatch');
  await fixture.tasks.runAll();
  expect(await violations(kv, { swept: true })).toEqual([]);
});

test('a retry whose copies have lost their sources, or find others in their place, gets the first answer', async () => {
  const fixture = await openFixture(LIMITS);
  const { store, kv } = fixture;
  await putBytes(store, 'gone', pattern(3000, 1));
  await putBytes(store, 'over', pattern(10, 2));
  const operations = () => [copy('a', 'gone'), remove('gone'), copy('b', 'over'), put('c', 7)];
  const first = await transact(store, operations(), 'token');
  await putBytes(store, 'over', pattern(20, 3));
  expect(await transact(store, operations(), 'token')).toEqual(first);
  expect(await listed(store)).toEqual(['a@3000', 'b@10', 'c@7', 'over@20']);
  // The same bytes from elsewhere are not the same request.
  const another = [copy('a', 'a'), remove('gone'), copy('b', 'over'), put('c', 7)];
  const refused = await refusal(transact(store, another, 'token'));
  expect(refused.code).toBe('IdempotencyParameterMismatch');
  // And a source that was never there is refused as without a token.
  expect(await refusal(transact(store, [put('x', 1), copy('y', 'none')], 'new'))).toMatchObject({
    code: 'NoSuchKey',
    details: { key: 'y', operation: 1 },
  });
  await fixture.tasks.runAll();
  expect(await violations(kv, { swept: true })).toEqual([]);
});

test("under one token another customer's key is another request", async () => {
  const { store } = await openEncrypted();
  const encryptedWith = (seed: number) =>
    ({ encryption: { kind: 'customer', key: pattern(32, seed) } }) as const;
  await putBytes(store, 'source', pattern(9), encryptedWith(1));
  const operations = (seed: number, sourceSeed: number) => [
    put('a', 10, encryptedWith(seed)),
    copy('b', 'source', { ...encryptedWith(1), sourceCustomerKey: pattern(32, sourceSeed) }),
  ];
  const first = await transact(store, operations(1, 1), 'token');
  expect(await transact(store, operations(1, 1), 'token')).toEqual(first);
  const plain = [put('a', 10), operations(1, 1)[1] as TransactionOperation];
  for (const another of [operations(2, 1), operations(1, 2), plain]) {
    const refused = await refusal(transact(store, another, 'token'));
    expect(refused.code).toBe('IdempotencyParameterMismatch');
  }
});

test('a copy whose source gets other tags meanwhile is refused', async () => {
  const { store } = await openFixture(LIMITS);
  await putBytes(store, 'a', pattern(10));
  async function* operations(): AsyncGenerator<TransactionOperation, void, undefined> {
    yield copy('x', 'a');
    await store.putObjectTagging({ bucket, key: 'a' }, 'k=v');
    yield put('y', 1);
  }
  const work = refusal(store.transactObjects({ bucket, operations: operations() }));
  expect((await work).code).toBe('ConditionalRequestConflict');
});

test.each([
  ['a put', 'b@7', (store: ObjectStore) => putBytes(store, 'b', pattern(7))],
  ['a delete', '', (store: ObjectStore) => store.deleteObject({ bucket, key: 'b' })],
  ['versioning', '', (store: ObjectStore) => store.putBucketVersioning(bucket, 'Enabled')],
  ['another one', 'a@9', (store: ObjectStore) => codeOf(transact(store, other()))],
])('%s in any moment comes before all of it, or after', async (_what, trace, intrude) => {
  const moments = await atEveryMoment(async (wrap, inner) => {
    const fixture = await openFixture({ ...LIMITS, kv: inner });
    const { store } = fixture;
    await putBytes(store, 'a', pattern(1));
    await putBytes(store, 'b', pattern(2000));
    const { etag } = await store.headObject({ bucket, key: 'b' });
    let last: string[] | undefined;
    const intruder = async () => {
      await intrude(store);
      last = await listed(store);
    };
    const second = fixture.again({ kv: wrap(intruder) });
    const work = transact(second.store, [
      put('a', 2, { conditions: { ifMatch: '*' } }),
      put('new', 3000),
      remove('b', { ifMatch: [etag] }),
    ]);
    const code = await codeOf(work);
    const left = await listed(store);
    const happened = left.includes('new@3000');
    // All of it or nothing: what was refused changed nothing, what was done did all.
    expect(code === 'done').toBe(happened);
    if (!happened) expect(left).not.toContain('a@2');
    else expect(left).not.toContain('b@2000');
    // What came in between changed what was asked for: so it came after, or the transaction was refused.
    if (last?.includes(trace)) expect(left).toContain(trace);
    await fixture.tasks.runAll();
    await second.tasks.runAll();
    expect(await violations(inner, { swept: false })).toEqual([]);
  });
  expect(moments).toBeGreaterThan(5);
});

test('a check of one key guards the changes of the others', async () => {
  await atEveryMoment(async (wrap, inner) => {
    const fixture = await openFixture({ ...LIMITS, kv: inner });
    const { store } = fixture;
    let wasDone: boolean | undefined;
    const intruder = async () => {
      await putBytes(store, 'guard', pattern(7));
      wasDone = (await listed(store)).includes('x@5');
    };
    const second = fixture.again({ kv: wrap(intruder) });
    const operations = [check('guard', { ifNoneMatch: '*' }), put('x', 5)];
    const code = await codeOf(transact(second.store, operations));
    expect(code).toBe(wasDone === false ? 'PreconditionFailed' : 'done');
    expect((await listed(store)).includes('x@5')).toBe(wasDone !== false);
  });
});

test('what is copied is the source as it is when all is done', async () => {
  await atEveryMoment(async (wrap, inner) => {
    const fixture = await openFixture({ ...LIMITS, kv: inner });
    const { store } = fixture;
    await putBytes(store, 'a', pattern(2000));
    let wasDone: boolean | undefined;
    const intruder = async () => {
      await putBytes(store, 'a', pattern(7));
      wasDone = (await listed(store)).includes('x@2000');
    };
    const second = fixture.again({ kv: wrap(intruder) });
    const code = await codeOf(transact(second.store, [copy('x', 'a'), put('y', 1)]));
    expect(['done', 'ConditionalRequestConflict']).toContain(code);
    if (wasDone === false) expect(await listed(store)).not.toContain('x@2000');
  });
});

test('a slow transaction that another process takes for crashed fails cleanly', async () => {
  const { store, kv, env, again } = await openFixture(LIMITS);
  const reached = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  async function* operations(): AsyncGenerator<TransactionOperation, void, undefined> {
    yield put('a', 5000);
    reached.resolve();
    await gate.promise;
    yield put('b', 10);
  }
  const work = refusal(store.transactObjects({ bucket, operations: operations() }));
  await reached.promise;
  const other = again();
  await other.store.collectGarbage();
  env.manualClock.advance(25 * 60 * 60 * 1000);
  expect(await other.store.collectGarbage()).toMatchObject({ expiredIntents: 1 });
  gate.resolve();
  expect((await work).code).toBe('OperationAborted');
  expect(await listed(store)).toEqual([]);
  expect(await violations(kv, { swept: true })).toEqual([]);
});

/** Another transaction on the same keys. */
function other(): TransactionOperation[] {
  return [put('a', 9), remove('b', { ifMatch: '*' })];
}

test('whoever lists while transactions run sees whole ones', async () => {
  const { store, again } = await openFixture(LIMITS);
  const writers = [store, again().store].map(async (writer, at) => {
    for (let round = 1; round < 12; round++) {
      const size = at * 100 + round;
      await transact(writer, [put('a', size), put('b', size), put('c', size)]);
    }
  });
  let ended = false;
  const reader = (async () => {
    while (!ended) {
      const { objects } = await store.listObjects({ bucket, limit: 10 });
      expect(new Set(objects.map(({ sizeBytes }) => sizeBytes)).size).toBeLessThan(2);
    }
  })();
  await Promise.all(writers);
  ended = true;
  await reader;
});

test('any transactions leave what a model of them leaves', async () => {
  const key = fc.constantFrom('a', 'b', 'c', 'd');
  const operation = fc.oneof(
    fc.record({ op: fc.constant('put' as const), key, size: fc.integer({ min: 0, max: 3000 }) }),
    fc.record({ op: fc.constant('delete' as const), key }),
    fc.record({ op: fc.constant('absent' as const), key }),
  );
  const script = fc.array(
    fc.uniqueArray(operation, { selector: ({ key: name }) => name, minLength: 1 }),
    { maxLength: 6 },
  );
  await fc.assert(
    fc.asyncProperty(script, async (transactions) => {
      const fixture = await openFixture(LIMITS);
      const model = new Map<string, number>();
      for (const operations of transactions) {
        const refused = operations.some(({ op, key: name }) => op === 'absent' && model.has(name));
        const code = await codeOf(
          transact(
            fixture.store,
            operations.map((each) => {
              if (each.op === 'put') return put(each.key, each.size);
              if (each.op === 'delete') return remove(each.key);
              return check(each.key, { ifNoneMatch: '*' });
            }),
          ),
        );
        expect(code).toBe(refused ? 'PreconditionFailed' : 'done');
        if (refused) continue;
        for (const each of operations) {
          if (each.op === 'put') model.set(each.key, each.size);
          if (each.op === 'delete') model.delete(each.key);
        }
      }
      const expected = [...model].map(([name, size]) => `${name}@${size}`).sort();
      expect(await listed(fixture.store)).toEqual(expected);
      await fixture.tasks.runAll();
      expect(await violations(fixture.kv, { swept: true })).toEqual([]);
    }),
    { numRuns: 25 },
  );
});
