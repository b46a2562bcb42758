import { expect, test } from 'vitest';
import { violations } from './consistency.ts';
import {
  getBytes,
  OWNER,
  openFixture,
  pattern,
  piecesOf,
  putBytes,
  readAll,
  refusalCode,
} from './fixture.ts';
import { atEveryMoment, codeOf } from './intruder.ts';

const LIMITS = { chunkSizeBytes: 1000, inlineSizeBytes: 500, minPartSizeBytes: 1 };
const KEY = { bucket: 'bucket', key: 'k' };

test.each([100, 5000])(
  'a put of %i bytes and a delete of its bucket: one of them fails, and nothing is orphaned',
  async (length) => {
    const moments = await atEveryMoment(async (wrap, inner) => {
      const { store, again } = await openFixture({ kv: inner, ...LIMITS });
      let removed: string | undefined;
      const kv = wrap(async () => {
        removed = await store.deleteBucket('bucket').then(
          () => 'done',
          (error: { code: string }) => error.code,
        );
      });
      const put = await putBytes(again({ kv }).store, 'k', pattern(length)).then(
        () => 'done',
        (error: { code: string }) => error.code,
      );
      if (removed === 'done') expect(put).toBe('NoSuchBucket');
      else
        expect([removed, put]).toEqual([
          removed === undefined ? undefined : 'BucketNotEmpty',
          'done',
        ]);
      if (removed === 'done') await store.createBucket('bucket', OWNER);
      const page = await store.listObjects({ bucket: 'bucket', limit: 10 });
      expect(page.objects).toHaveLength(put === 'done' ? 1 : 0);
      await store.collectGarbage();
      expect(await violations(inner, { swept: true })).toEqual([]);
    });
    expect(moments).toBeGreaterThan(2);
  },
);

test('a delete of a bucket and a put into it: one of them fails, and nothing is orphaned', async () => {
  const moments = await atEveryMoment(async (wrap, inner) => {
    const { store, again } = await openFixture({ kv: inner, ...LIMITS });
    let put: string | undefined;
    const kv = wrap(async () => {
      put = await putBytes(store, 'k', pattern(100)).then(
        () => 'done',
        (error: { code: string }) => error.code,
      );
    });
    const removed = await again({ kv })
      .store.deleteBucket('bucket')
      .then(
        () => 'done',
        (error: { code: string }) => error.code,
      );
    if (put === 'done') expect(removed).toBe('BucketNotEmpty');
    else expect([removed, put]).toEqual(['done', put === undefined ? undefined : 'NoSuchBucket']);
    if (put === 'done') expect(await getBytes(store, 'k')).toEqual(pattern(100));
    await store.collectGarbage();
    expect(await violations(inner, { swept: true })).toEqual([]);
  });
  expect(moments).toBeGreaterThan(4);
});

test('a bucket made anew never shows what the old one had, in any process', async () => {
  const { store, again } = await openFixture(LIMITS);
  const other = again().store;
  await putBytes(other, 'k', pattern(10));
  await store.deleteObject(KEY);
  await store.deleteBucket('bucket');
  await store.createBucket('bucket', OWNER);
  await putBytes(store, 'new', pattern(10));
  expect(await refusalCode(other.headObject(KEY))).toBe('NoSuchKey');
  expect(await getBytes(other, 'new')).toEqual(pattern(10));
  await other.deleteObject({ bucket: 'bucket', key: 'new' });
  await putBytes(other, 'k', pattern(10, 2), { conditions: { ifNoneMatch: '*' } });
  expect(await getBytes(store, 'k')).toEqual(pattern(10, 2));
});

test('a delete deletes what it judged, or judges anew', async () => {
  for (const conditional of [true, false]) {
    const moments = await atEveryMoment(async (wrap, inner) => {
      const { store, again, tasks } = await openFixture({ kv: inner, ...LIMITS });
      const { etag } = await putBytes(store, 'k', pattern(2000, 1));
      let replaced = false;
      const kv = wrap(async () => {
        await putBytes(store, 'k', pattern(2000, 2));
        replaced = true;
      });
      const conditions = conditional ? { ifMatch: [etag] } : {};
      const removed = await codeOf(again({ kv }).store.deleteObject({ ...KEY, conditions }));
      expect(removed).toBe(conditional && replaced ? 'PreconditionFailed' : 'done');
      if (removed !== 'done') expect(await getBytes(store, 'k')).toEqual(pattern(2000, 2));
      await tasks.runAll();
      expect(await violations(inner, { swept: true })).toEqual([]);
    });
    expect(moments).toBeGreaterThan(1);
  }
});

test('what commits in the middle of a garbage collection is not collected', async () => {
  const moments = await atEveryMoment(async (wrap, inner) => {
    const { store, env, again, tasks } = await openFixture({ kv: inner, ...LIMITS });
    const upload = await store.createMultipartUpload({
      ...KEY,
      metadata: { user: {} },
      ownerId: 'me',
    });
    const body = { pieces: piecesOf(pattern(5000, 1), 700) };
    const part = await store.uploadPart({ ...upload, partNumber: 1, body });
    const reached = Promise.withResolvers<void>();
    const gate = Promise.withResolvers<void>();
    async function* slow(): AsyncGenerator<Uint8Array, void> {
      yield pattern(5000, 2);
      reached.resolve();
      await gate.promise;
    }
    const put = putBytes(store, 'slow', pattern(0), { body: { pieces: slow() } });
    const answer = codeOf(put);
    await reached.promise;
    // Its intent looks crashed to the other process, which is in the middle of judging it.
    const kv = wrap(async () => {
      gate.resolve();
      await answer;
      await store.completeMultipartUpload({ ...upload, parts: [part] });
    });
    const other = again({ kv }).store;
    await other.collectGarbage();
    env.manualClock.advance(25 * 60 * 60 * 1000);
    await other.collectGarbage();
    gate.resolve();
    if ((await answer) === 'done') {
      expect(await getBytes(store, 'slow')).toEqual(pattern(5000, 2));
    } else {
      expect(await answer).toBe('OperationAborted');
    }
    await codeOf(store.completeMultipartUpload({ ...upload, parts: [part] }));
    expect(await getBytes(store, 'k')).toEqual(pattern(5000, 1));
    await tasks.runAll();
    await store.collectGarbage();
    expect(await violations(inner, { swept: true })).toEqual([]);
  });
  expect(moments).toBeGreaterThan(5);
});

test('writers of one process take turns, so that none loses a race', async () => {
  const { store } = await openFixture({ ...LIMITS, commitAttempts: 1 });
  const puts = Array.from({ length: 20 }, (_, at) => putBytes(store, 'k', pattern(100, at)));
  await Promise.all(puts);
  expect(await getBytes(store, 'k')).toEqual(pattern(100, 19));
});

test('more writers of one key than may wait are refused', async () => {
  const { store } = await openFixture({ ...LIMITS, writersPerKey: 3 });
  const puts = Array.from({ length: 6 }, (_, at) =>
    putBytes(store, 'k', pattern(100, at)).then(
      () => 'done',
      (error: { code: string }) => error.code,
    ),
  );
  const answers = await Promise.all(puts);
  expect(answers.filter((answer) => answer === 'done')).toHaveLength(4);
  expect(answers.filter((answer) => answer === 'ConditionalRequestConflict')).toHaveLength(2);
});

test.each([
  [100, 200],
  [100, 9000],
  [9000, 100],
  [9000, 12_000],
])(
  'a read of %i bytes while they become %i gets the old or the new, whole',
  async (before, after) => {
    const moments = await atEveryMoment(async (wrap, inner) => {
      const { store, again, tasks } = await openFixture({ kv: inner, ...LIMITS });
      await putBytes(store, 'k', pattern(before, 1));
      const kv = wrap(async () => {
        await putBytes(store, 'k', pattern(after, 2));
        await tasks.runAll();
      });
      const reader = await again({ kv }).store.getObject(KEY);
      const bytes = await readAll(reader);
      expect([pattern(before, 1), pattern(after, 2)]).toContainEqual(bytes);
      expect(reader.info.sizeBytes).toBe(bytes.length);
    });
    expect(moments).toBeGreaterThan(1);
  },
);

test('a read that has begun is not disturbed by an overwrite and its sweep', async () => {
  const { store, tasks } = await openFixture(LIMITS);
  await putBytes(store, 'k', pattern(50_000, 1));
  const reader = await store.getObject(KEY);
  const pieces: Uint8Array[] = [];
  for await (const piece of reader.body) {
    pieces.push(piece.slice());
    if (pieces.length === 3) {
      await putBytes(store, 'k', pattern(50_000, 2));
      await tasks.runAll();
      await store.collectGarbage();
    }
  }
  expect(Buffer.concat(pieces).equals(pattern(50_000, 1))).toBe(true);
});

test('a very slow read goes on past the age of its view while the object is the same', async () => {
  const { store, env } = await openFixture({ ...LIMITS, readBuffers: 1 });
  await putBytes(store, 'k', pattern(5000));
  const slow = async (meanwhile: () => Promise<unknown>): Promise<number> => {
    let length = 0;
    for await (const piece of (await store.getObject(KEY)).body) {
      length += piece.length;
      env.manualClock.advance(60 * 60 * 1000);
      await meanwhile();
    }
    return length;
  };
  expect(await slow(async () => {})).toBe(5000);
  const replaced = slow(() => putBytes(store, 'k', pattern(5000, 2)));
  await expect(replaced).rejects.toMatchObject({ code: 'KV_VIEW_CLOSED' });
});

test.each(['head', 'get'] as const)(
  'a %s of one part of an object that is replaced and swept meanwhile is of the one object or of the other',
  async (kind) => {
    const found = new Set<string>();
    const moments = await atEveryMoment(async (wrap, inner) => {
      const { store, tasks, again } = await openFixture({ kv: inner, ...LIMITS });
      const upload = await store.createMultipartUpload({
        ...KEY,
        metadata: { user: {} },
        ownerId: 'me',
      });
      const body = { pieces: piecesOf(pattern(5000, 1)) };
      const part = await store.uploadPart({ ...upload, partNumber: 1, body });
      await store.completeMultipartUpload({ ...upload, parts: [part] });
      const kv = wrap(async () => {
        await putBytes(store, 'k', pattern(700, 2));
        await tasks.runAll();
      });
      const reading = again({ kv }).store;
      const request = { ...KEY, partNumber: 1 };
      if (kind === 'head') found.add(`${(await reading.headObject(request)).sizeBytes}`);
      else {
        const bytes = await getBytes(reading, 'k', { partNumber: 1 });
        expect(bytes).toEqual(bytes.length === 700 ? pattern(700, 2) : pattern(5000, 1));
        found.add(`${bytes.length}`);
      }
    });
    expect(moments).toBeGreaterThan(2);
    expect([...found].sort()).toEqual(['5000', '700']);
  },
);
