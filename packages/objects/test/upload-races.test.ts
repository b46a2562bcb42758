import { expect, test } from 'vitest';
import { violations } from './consistency.ts';
import {
  getBytes,
  OWNER,
  openFixture,
  pattern,
  piecesOf,
  putBytes,
  refusalCode,
} from './fixture.ts';
import { atEveryMoment, codeOf } from './intruder.ts';

const LIMITS = { chunkSizeBytes: 1000, inlineSizeBytes: 500, minPartSizeBytes: 1 };
const KEY = { bucket: 'bucket', key: 'k' };

test('uploads of a deleted bucket are aborted', async () => {
  const { store, kv, tasks } = await openFixture(LIMITS);
  const upload = await store.createMultipartUpload({
    ...KEY,
    metadata: { user: {} },
    ownerId: 'me',
  });
  await store.uploadPart({ ...upload, partNumber: 1, body: { pieces: piecesOf(pattern(5000)) } });
  await store.deleteBucket('bucket');
  await store.createBucket('bucket', OWNER);
  expect(await refusalCode(store.listParts({ ...upload, after: 0, limit: 1 }))).toBe(
    'NoSuchUpload',
  );
  await tasks.runAll();
  expect(await violations(kv, { swept: true })).toEqual([]);
});

test('a part that commits while a Complete reads the parts is counted whole or refused', async () => {
  const moments = await atEveryMoment(async (wrap, inner) => {
    const { store, again, tasks } = await openFixture({ kv: inner, ...LIMITS });
    const upload = await store.createMultipartUpload({
      ...KEY,
      metadata: { user: {} },
      ownerId: 'me',
    });
    const part = (seed: number) => {
      const body = { pieces: piecesOf(pattern(5000, seed), 700) };
      return store.uploadPart({ ...upload, partNumber: 1, body });
    };
    const first = await part(1);
    let late: string | undefined;
    const kv = wrap(async () => {
      late = await part(2).then(
        () => 'done',
        (error: { code: string }) => error.code,
      );
    });
    const completed = await again({ kv })
      .store.completeMultipartUpload({ ...upload, parts: [first] })
      .then(
        () => 'done',
        (error: { code: string }) => error.code,
      );
    // The part that replaced the first one has another ETag.
    if (late === 'done') expect(completed).toBe('InvalidPart');
    else expect(completed).toBe('done');
    if (completed === 'done') expect(await getBytes(store, 'k')).toEqual(pattern(5000, 1));
    await tasks.runAll();
    await store.collectGarbage();
    expect(await violations(inner, { swept: true })).toEqual([]);
  });
  expect(moments).toBeGreaterThan(5);
});

test('a Complete in the middle of a part counts it or refuses it, and leaks nothing', async () => {
  const moments = await atEveryMoment(async (wrap, inner) => {
    const { store, again, tasks } = await openFixture({ kv: inner, ...LIMITS });
    const upload = await store.createMultipartUpload({
      ...KEY,
      metadata: { user: {} },
      ownerId: 'me',
    });
    const body = (seed: number) => ({ pieces: piecesOf(pattern(5000, seed), 700) });
    const first = await store.uploadPart({ ...upload, partNumber: 1, body: body(1) });
    let completed: string | undefined;
    const kv = wrap(async () => {
      completed = await store.completeMultipartUpload({ ...upload, parts: [first] }).then(
        () => 'done',
        (error: { code: string }) => error.code,
      );
    });
    const late = await again({ kv })
      .store.uploadPart({ ...upload, partNumber: 1, body: body(2) })
      .then(
        () => 'done',
        (error: { code: string }) => error.code,
      );
    if (completed === 'done') expect(late).toBe('NoSuchUpload');
    else expect([late, completed ?? 'InvalidPart']).toEqual(['done', 'InvalidPart']);
    if (completed === 'done') expect(await getBytes(store, 'k')).toEqual(pattern(5000, 1));
    await tasks.runAll();
    await store.collectGarbage();
    expect(await violations(inner, { swept: true })).toEqual([]);
  });
  expect(moments).toBeGreaterThan(5);
});

test('an abort in the middle of a part: the part is refused or swept, and nothing is leaked', async () => {
  const moments = await atEveryMoment(async (wrap, inner) => {
    const { store, again, tasks } = await openFixture({ kv: inner, ...LIMITS });
    const upload = await store.createMultipartUpload({
      ...KEY,
      metadata: { user: {} },
      ownerId: 'me',
    });
    let aborted = false;
    const kv = wrap(async () => {
      await store.abortMultipartUpload(upload);
      await tasks.runAll();
      aborted = true;
    });
    const other = again({ kv });
    const body = { pieces: piecesOf(pattern(5000), 700) };
    const part = await other.store.uploadPart({ ...upload, partNumber: 1, body }).then(
      () => 'done',
      (error: { code: string }) => error.code,
    );
    expect(part).toBe(aborted ? 'NoSuchUpload' : 'done');
    await other.tasks.runAll();
    if (!aborted) await store.abortMultipartUpload(upload);
    await tasks.runAll();
    expect(await violations(inner, { swept: true })).toEqual([]);
    const { deletedChunks } = await store.collectGarbage();
    expect(deletedChunks).toBe(0);
  });
  expect(moments).toBeGreaterThan(5);
});

test('a Complete never makes an object in a bucket that was made anew meanwhile', async () => {
  const moments = await atEveryMoment(async (wrap, inner) => {
    const { store, again, tasks } = await openFixture({ kv: inner, ...LIMITS });
    const upload = await store.createMultipartUpload({
      ...KEY,
      metadata: { user: {} },
      ownerId: 'me',
    });
    const body = { pieces: piecesOf(pattern(5000), 700) };
    const part = await store.uploadPart({ ...upload, partNumber: 1, body });
    let removed = false;
    const kv = wrap(async () => {
      removed = await store.deleteBucket('bucket').then(
        () => true,
        () => false,
      );
      if (removed) await store.createBucket('bucket', OWNER);
    });
    const completed = await again({ kv })
      .store.completeMultipartUpload({ ...upload, parts: [part] })
      .then(
        () => 'done',
        (error: { code: string }) => error.code,
      );
    expect(completed).toBe(removed ? 'NoSuchUpload' : 'done');
    const { objects } = await store.listObjects({ bucket: 'bucket', limit: 10 });
    expect(objects).toHaveLength(removed ? 0 : 1);
    await tasks.runAll();
    await store.collectGarbage();
    expect(await violations(inner, { swept: true })).toEqual([]);
  });
  expect(moments).toBeGreaterThan(5);
});

test('an upload that is created while its bucket is deleted is refused or swept', async () => {
  const moments = await atEveryMoment(async (wrap, inner) => {
    const { store, again, tasks } = await openFixture({ kv: inner, ...LIMITS });
    const kv = wrap(async () => {
      await store.deleteBucket('bucket');
      await tasks.runAll();
    });
    const request = { ...KEY, metadata: { user: {} }, ownerId: 'me' };
    await codeOf(again({ kv }).store.createMultipartUpload(request));
    await codeOf(store.deleteBucket('bucket'));
    await tasks.runAll();
    expect(await inner.scan({ limit: 10 })).toMatchObject({ entries: [], more: false });
  });
  expect(moments).toBeGreaterThan(1);
});

test('an abort and a Complete: one of them fails, and a completed object keeps its parts', async () => {
  const moments = await atEveryMoment(async (wrap, inner) => {
    const { store, again, tasks } = await openFixture({ kv: inner, ...LIMITS });
    const upload = await store.createMultipartUpload({
      ...KEY,
      metadata: { user: {} },
      ownerId: 'me',
    });
    const body = { pieces: piecesOf(pattern(5000), 700) };
    const part = await store.uploadPart({ ...upload, partNumber: 1, body });
    let completed: string | undefined;
    const kv = wrap(async () => {
      completed = await codeOf(store.completeMultipartUpload({ ...upload, parts: [part] }));
    });
    const other = again({ kv });
    const aborted = await codeOf(other.store.abortMultipartUpload(upload));
    expect(aborted).toBe(completed === 'done' ? 'NoSuchUpload' : 'done');
    await tasks.runAll();
    await again().tasks.runAll();
    if (completed === 'done') expect(await getBytes(store, 'k')).toEqual(pattern(5000));
    expect(await violations(inner, { swept: true })).toEqual([]);
  });
  expect(moments).toBeGreaterThan(1);
});

test('two processes that put one part: the later one stays, and the other leaves nothing', async () => {
  const moments = await atEveryMoment(async (wrap, inner) => {
    const { store, again, tasks } = await openFixture({ kv: inner, ...LIMITS });
    const upload = await store.createMultipartUpload({
      ...KEY,
      metadata: { user: {} },
      ownerId: 'me',
    });
    const part = (own: typeof store, seed: number) => {
      const body = { pieces: piecesOf(pattern(2500, seed), 700) };
      return own.uploadPart({ ...upload, partNumber: 1, body });
    };
    const kv = wrap(() => part(store, 1));
    const late = await part(again({ kv }).store, 2);
    await tasks.runAll();
    expect(await violations(inner, { swept: true })).toEqual([]);
    const { parts } = await store.listParts({ ...upload, after: 0, limit: 10 });
    expect(parts).toEqual([late]);
  });
  expect(moments).toBeGreaterThan(5);
});

test('an upload that another process takes for crashed at any moment commits whole or fails', async () => {
  let expirations = 0;
  const moments = await atEveryMoment(async (wrap, inner) => {
    const { store, env, again } = await openFixture({ kv: inner, ...LIMITS });
    let expired = 0;
    const kv = wrap(async () => {
      await store.collectGarbage();
      env.manualClock.advance(25 * 60 * 60 * 1000);
      expired = (await store.collectGarbage()).expiredIntents;
    });
    const put = await putBytes(again({ kv }).store, 'k', pattern(5000)).then(
      () => 'done',
      (error: { code: string }) => error.code,
    );
    expirations += expired;
    expect(put).toBe(expired === 1 ? 'OperationAborted' : 'done');
    if (put === 'done') expect(await getBytes(store, 'k')).toEqual(pattern(5000));
    else expect(await refusalCode(store.headObject(KEY))).toBe('NoSuchKey');
    expect(await violations(inner, { swept: true })).toEqual([]);
  });
  expect(expirations).toBeGreaterThan(0);
  expect(moments).toBeGreaterThan(5);
});
