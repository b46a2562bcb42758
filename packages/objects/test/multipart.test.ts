import { createHash } from 'node:crypto';
import { concatBytes, fromHex, toHex } from '@holdfast/bytes';
import { expect, test } from 'vitest';
import type { ObjectStore, PartInfo } from '../src/index.ts';
import { KEY_SPACE } from '../src/keys.ts';
import { countIn, violations } from './consistency.ts';
import {
  type Fixture,
  getBytes,
  openFixture,
  pattern,
  piecesOf,
  putBytes,
  refusal,
  refusalCode,
} from './fixture.ts';

const KEY = { bucket: 'bucket', key: 'k' };

async function begin(store: ObjectStore, extra = {}): Promise<string> {
  const upload = await store.createMultipartUpload({
    ...KEY,
    metadata: { user: { colour: 'blue' }, contentType: 'text/plain' },
    ownerId: 'me',
    ...extra,
  });
  return upload.uploadId;
}

async function part(
  store: ObjectStore,
  uploadId: string,
  partNumber: number,
  bytes: Uint8Array,
): Promise<PartInfo> {
  const body = { sizeBytes: bytes.length, pieces: piecesOf(bytes, 60_000) };
  return await store.uploadPart({ ...KEY, uploadId, partNumber, body });
}

/** Small parts, so that tests are fast; the rule itself is tested with AWS's number. */
async function openSmall(extra = {}): Promise<Fixture> {
  return await openFixture({
    minPartSizeBytes: 5000,
    chunkSizeBytes: 4096,
    inlineSizeBytes: 1024,
    ...extra,
  });
}

const md5 = (bytes: Uint8Array): string => createHash('md5').update(bytes).digest('hex');

test('an object of parts is read as they were put together, whole and in ranges', async () => {
  const { store, kv, tasks } = await openSmall();
  const uploadId = await begin(store);
  const bodies = [pattern(9000, 1), pattern(5000, 2), pattern(700, 3)];
  const parts: PartInfo[] = [];
  for (const [at, body] of bodies.entries())
    parts.push(await part(store, uploadId, at * 2 + 1, body));
  const info = await store.completeMultipartUpload({ ...KEY, uploadId, parts });
  const whole = concatBytes(bodies);
  const md5s = concatBytes(parts.map(({ etag }) => fromHex(etag)));
  expect(info).toMatchObject({
    etag: `${md5(md5s)}-3`,
    sizeBytes: whole.length,
    partCount: 3,
    metadata: { user: { colour: 'blue' }, contentType: 'text/plain' },
  });
  expect(await getBytes(store, 'k')).toEqual(whole);
  for (const [first, last] of [
    [0, 0],
    [8999, 9000],
    [4095, 14_699],
    [14_699, 14_699],
  ] as const) {
    expect(await getBytes(store, 'k', { range: { kind: 'from', first, last } })).toEqual(
      whole.subarray(first, last + 1),
    );
  }
  expect(await getBytes(store, 'k', { partNumber: 3 })).toEqual(bodies[1]);
  const absent = store.getObject({ ...KEY, partNumber: 2 });
  expect(await refusal(absent)).toMatchObject({
    code: 'InvalidPartNumber',
    details: { partNumber: 2, partCount: 3 },
  });
  await tasks.runAll();
  expect(await countIn(kv, KEY_SPACE.part)).toBe(0);
  expect(await violations(kv, { swept: true })).toEqual([]);
});

test('a part put again replaces the one before, and its bytes are given back', async () => {
  const { store, kv, tasks } = await openSmall();
  const uploadId = await begin(store);
  await part(store, uploadId, 1, pattern(100_000, 1));
  const second = await part(store, uploadId, 1, pattern(6000, 2));
  await tasks.runAll();
  expect(await violations(kv, { swept: true })).toEqual([]);
  const { parts } = await store.listParts({ ...KEY, uploadId, after: 0, limit: 10 });
  expect(parts).toEqual([second]);
});

test('parts that Complete does not list are swept', async () => {
  const { store, kv, tasks } = await openSmall();
  const uploadId = await begin(store);
  await part(store, uploadId, 1, pattern(50_000, 1));
  const kept = await part(store, uploadId, 2, pattern(50_000, 2));
  await part(store, uploadId, 3, pattern(500, 3));
  await store.completeMultipartUpload({ ...KEY, uploadId, parts: [kept] });
  await tasks.runAll();
  expect(await getBytes(store, 'k')).toEqual(pattern(50_000, 2));
  expect(await violations(kv, { swept: true })).toEqual([]);
});

test('of a part that a list has twice, for it was sent again, the last one counts', async () => {
  const { store } = await openSmall();
  const uploadId = await begin(store);
  const old = await part(store, uploadId, 1, pattern(100, 1));
  const again = await part(store, uploadId, 1, pattern(200, 2));
  const complete = (parts: readonly PartInfo[]) =>
    store.completeMultipartUpload({ ...KEY, uploadId, parts });
  expect(await refusal(complete([again, old]))).toMatchObject({ code: 'InvalidPart' });
  expect(await complete([old, again])).toMatchObject({ sizeBytes: 200, partCount: 1 });
});

test('Complete refuses what AWS refuses, and the upload goes on', async () => {
  const { store } = await openSmall();
  const uploadId = await begin(store);
  const first = await part(store, uploadId, 1, pattern(4999, 1));
  const second = await part(store, uploadId, 2, pattern(6000, 2));
  const complete = (parts: readonly PartInfo[], extra = {}) =>
    refusal(store.completeMultipartUpload({ ...KEY, uploadId, parts, ...extra }));
  expect(await complete([])).toMatchObject({ code: 'InvalidRequest' });
  expect(await complete([second, first])).toMatchObject({ code: 'InvalidPartOrder' });
  expect(await complete([{ ...first, partNumber: 3 }])).toMatchObject({ code: 'InvalidPart' });
  expect(await complete([{ ...first, etag: second.etag }])).toMatchObject({ code: 'InvalidPart' });
  expect(await complete([first, second])).toMatchObject({
    code: 'EntityTooSmall',
    details: { partNumber: 1, sizeBytes: 4999 },
  });
  expect(await complete([second], { sizeBytes: 1 })).toMatchObject({ code: 'InvalidRequest' });
  const type = 'composite';
  expect(await complete([second], { checksum: { type } })).toMatchObject({
    code: 'InvalidRequest',
  });
  const wrong = { algorithm: 'crc32', value: 'AAAAAA==-1' };
  expect(await complete([second], { checksum: wrong })).toMatchObject({ code: 'BadDigest' });
  expect(await complete([second], { conditions: { ifMatch: ['x'] } })).toMatchObject({
    code: 'NoSuchKey',
  });
  expect(await refusalCode(store.headObject(KEY))).toBe('NoSuchKey');
  await store.completeMultipartUpload({ ...KEY, uploadId, parts: [second] });
});

test('a part of 5 MiB - 1 that is not the last is too small by default', async () => {
  const { store } = await openFixture();
  const uploadId = await begin(store);
  const parts = [
    await part(store, uploadId, 1, new Uint8Array(5 * 1024 * 1024 - 1)),
    await part(store, uploadId, 2, new Uint8Array(1)),
  ];
  expect(await refusalCode(store.completeMultipartUpload({ ...KEY, uploadId, parts }))).toBe(
    'EntityTooSmall',
  );
});

test('a retry of Complete gets the first answer, another list does not', async () => {
  const { store, env } = await openSmall();
  const uploadId = await begin(store);
  const parts = [await part(store, uploadId, 1, pattern(10))];
  const request = { ...KEY, uploadId, parts, conditions: { ifNoneMatch: '*' } } as const;
  const first = await store.completeMultipartUpload(request);
  expect(await store.completeMultipartUpload(request)).toEqual(first);
  const other = store.completeMultipartUpload({
    ...request,
    parts: [{ partNumber: 1, etag: 'x' }],
  });
  expect(await refusalCode(other)).toBe('NoSuchUpload');
  env.manualClock.advance(23 * 60 * 60 * 1000);
  await store.collectGarbage();
  expect(await store.completeMultipartUpload(request)).toEqual(first);
  env.manualClock.advance(2 * 60 * 60 * 1000);
  await store.collectGarbage();
  expect(await refusalCode(store.completeMultipartUpload(request))).toBe('PreconditionFailed');
});

test('two Completes at once make one object and give one answer', async () => {
  const { store, kv, tasks, again } = await openSmall();
  const uploadId = await begin(store);
  const parts = [await part(store, uploadId, 1, pattern(9000))];
  const request = { ...KEY, uploadId, parts, conditions: { ifNoneMatch: '*' } } as const;
  const other = again().store;
  const answers = await Promise.all([
    store.completeMultipartUpload(request),
    other.completeMultipartUpload(request),
    store.completeMultipartUpload(request),
  ]);
  expect(answers[1]).toEqual(answers[0]);
  expect(answers[2]).toEqual(answers[0]);
  await tasks.runAll();
  expect(await violations(kv, { swept: true })).toEqual([]);
});

test('an aborted upload is gone with its parts, and a part on its way fails', async () => {
  const { store, kv, tasks } = await openSmall();
  const uploadId = await begin(store);
  await part(store, uploadId, 1, pattern(50_000));
  async function* slow(): AsyncGenerator<Uint8Array, void> {
    yield pattern(9000);
    await store.abortMultipartUpload({ ...KEY, uploadId });
    yield pattern(9000);
  }
  const late = store.uploadPart({ ...KEY, uploadId, partNumber: 2, body: { pieces: slow() } });
  expect(await refusalCode(late)).toBe('NoSuchUpload');
  expect(await refusalCode(store.abortMultipartUpload({ ...KEY, uploadId }))).toBe('NoSuchUpload');
  await tasks.runAll();
  expect(await violations(kv, { swept: true })).toEqual([]);
  expect(await countIn(kv, KEY_SPACE.chunk)).toBe(0);
  expect(await countIn(kv, KEY_SPACE.partGroup)).toBe(0);
});

test('an object of 10,000 parts is completed, read in its last part, and given back whole', async () => {
  const { store, kv, tasks } = await openFixture({ minPartSizeBytes: 1 });
  const uploadId = await begin(store, { checksumAlgorithm: 'sha256' });
  const parts: PartInfo[] = [];
  for (let number = 1; number <= 10_000; number++) {
    parts.push(await part(store, uploadId, number, Uint8Array.of(number, number >>> 8)));
  }
  const info = await store.completeMultipartUpload({ ...KEY, uploadId, parts });
  expect(info).toMatchObject({ sizeBytes: 20_000, partCount: 10_000 });
  expect(info.checksum?.value).toMatch(/-10000$/);
  expect(await getBytes(store, 'k', { partNumber: 10_000 })).toEqual(Uint8Array.of(0x10, 0x27));
  expect(
    await getBytes(store, 'k', { range: { kind: 'from', first: 9998, last: 10_001 } }),
  ).toEqual(Uint8Array.of(0x88, 0x13, 0x89, 0x13));
  await store.deleteObject(KEY);
  await tasks.runAll();
  expect(await countIn(kv, KEY_SPACE.chunk)).toBe(0);
  expect(await violations(kv, { swept: true })).toEqual([]);
}, 120_000);

test.each(['crc32', 'crc32c', 'crc64nvme'] as const)(
  'a full-object %s of parts is that of all the bytes',
  async (checksumAlgorithm) => {
    const { store, env } = await openSmall();
    const uploadId = await begin(store, { checksumAlgorithm, checksumType: 'full-object' });
    const bodies = [pattern(9000, 1), pattern(6000, 2), pattern(0), pattern(6001, 3)].filter(
      (body) => body.length > 0,
    );
    const parts: PartInfo[] = [];
    for (const [at, body] of bodies.entries())
      parts.push(await part(store, uploadId, at + 1, body));
    const whole = env.digests
      .compute([checksumAlgorithm], concatBytes(bodies))
      .get(checksumAlgorithm);
    const value = Buffer.from(whole as Uint8Array).toString('base64');
    const checksum = { algorithm: checksumAlgorithm, type: 'full-object', value } as const;
    const info = await store.completeMultipartUpload({ ...KEY, uploadId, parts, checksum });
    expect(info.checksum).toEqual(checksum);
  },
);

test('a composite checksum is the checksum of the checksums', async () => {
  const { store, env } = await openSmall();
  const uploadId = await begin(store, { checksumAlgorithm: 'sha1' });
  const parts = [
    await part(store, uploadId, 1, pattern(6000, 1)),
    await part(store, uploadId, 2, pattern(10, 2)),
  ];
  const raw = concatBytes(
    parts.map(({ checksum }) => Buffer.from(checksum?.value ?? '', 'base64')),
  );
  const value = Buffer.from(env.digests.compute(['sha1'], raw).get('sha1') ?? []).toString(
    'base64',
  );
  const info = await store.completeMultipartUpload({ ...KEY, uploadId, parts });
  expect(info.checksum).toEqual({ algorithm: 'sha1', type: 'composite', value: `${value}-2` });
});

test('checksum types that AWS does not know are refused', async () => {
  const { store } = await openSmall();
  for (const [checksumAlgorithm, checksumType] of [
    ['sha256', 'full-object'],
    ['crc64nvme', 'composite'],
  ] as const) {
    expect(await refusalCode(begin(store, { checksumAlgorithm, checksumType }))).toBe(
      'InvalidRequest',
    );
  }
});

test('parts and uploads are listed in pages', async () => {
  const { store } = await openSmall();
  const uploadId = await begin(store);
  for (const number of [3, 1, 10_000]) await part(store, uploadId, number, pattern(5));
  const page = async (after: number, limit: number) => {
    const { parts, more } = await store.listParts({ ...KEY, uploadId, after, limit });
    return [parts.map(({ partNumber }) => partNumber), more];
  };
  expect(await page(0, 2)).toEqual([[1, 3], true]);
  expect(await page(3, 2)).toEqual([[10_000], false]);
  expect(await page(10_000, 2)).toEqual([[], false]);

  const make = (key: string) =>
    store.createMultipartUpload({ bucket: 'bucket', key, metadata: { user: {} }, ownerId: 'me' });
  const second = await make('k');
  await make('k\0');
  await make('d/1');
  await make('d/2');
  const first = await store.listMultipartUploads({ bucket: 'bucket', limit: 2, delimiter: '/' });
  expect(first.commonPrefixes).toEqual(['d/']);
  expect(first.uploads).toHaveLength(1);
  expect(first).toMatchObject({ more: true, lastKey: 'k' });
  const rest = await store.listMultipartUploads({
    bucket: 'bucket',
    limit: 10,
    delimiter: '/',
    afterKey: 'k',
    afterUploadId: first.lastUploadId as string,
  });
  expect(new Set([first.uploads[0]?.uploadId, rest.uploads[0]?.uploadId])).toEqual(
    new Set([uploadId, second.uploadId]),
  );
  expect(rest.uploads.map(({ key }) => key)).toEqual(['k', 'k\0']);
  const past = await store.listMultipartUploads({ bucket: 'bucket', limit: 10, afterKey: 'k' });
  expect(past.uploads.map(({ key }) => key)).toEqual(['k\0']);
});

test('parts are copied from ranges of objects', async () => {
  const { store } = await openSmall();
  await putBytes(store, 'source', pattern(20_000));
  const uploadId = await begin(store);
  const source = { bucket: 'bucket', key: 'source' };
  const range = { first: 100, last: 9099 };
  const copied = await store.uploadPartCopy({ ...KEY, uploadId, partNumber: 1, source, range });
  expect(copied).toMatchObject({ sizeBytes: 9000, etag: md5(pattern(20_000).subarray(100, 9100)) });
  const beyond = { first: 100, last: 20_000 };
  const refused = store.uploadPartCopy({ ...KEY, uploadId, partNumber: 2, source, range: beyond });
  expect(await refusalCode(refused)).toBe('InvalidRange');
  await store.completeMultipartUpload({ ...KEY, uploadId, parts: [copied] });
  expect(await getBytes(store, 'k')).toEqual(pattern(20_000).subarray(100, 9100));
  expect(toHex(fromHex(copied.etag))).toBe(copied.etag);
});
