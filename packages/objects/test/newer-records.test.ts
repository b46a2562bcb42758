import { ByteReader, ByteWriter } from '@holdfast/bytes';
import { expect, test } from 'vitest';
import { KEY_SPACE, spaceRange } from '../src/keys.ts';
import { readMetadata } from '../src/metadata-codec.ts';
import { decodeObjectRecord, encodeObjectRecord, type ObjectRecord } from '../src/object-record.ts';
import { decodeGroupOwner, encodeGroupOwner } from '../src/owner-record.ts';
import { countIn } from './consistency.ts';
import { openFixture, pattern, piecesOf } from './fixture.ts';

const LIMITS = { chunkSizeBytes: 1000, inlineSizeBytes: 500, minPartSizeBytes: 1 };
const KEY = { bucket: 'bucket', key: 'k' };
const NEWER = 200;
const RECORD: ObjectRecord = {
  sizeBytes: 9,
  modifiedMs: 1,
  md5: new Uint8Array(16),
  partCount: 0,
  checksum: undefined,
  body: { kind: 'empty' },
  metadata: { user: {} },
  version: undefined,
};
/** Read as what follows a checksum, these are no fields, no names and no version: an object of nothing. */
const BYTES = Uint8Array.of(0, 0, 2, 0);

/** Where the encoded record has the number of its algorithm, or the kind of its body where it has none. */
function placeOf(record: ObjectRecord): number {
  const { md5, sizeBytes, modifiedMs, partCount } = record;
  return new ByteWriter(64)
    .u8(1)
    .varint(sizeBytes)
    .varint(modifiedMs)
    .bytes(md5)
    .varint(partCount)
    .finish().length;
}

/** The record with a checksum of an algorithm that only a newer Holdfast knows. */
function ofNewerAlgorithm(record: ObjectRecord): Uint8Array {
  const checksum = { algorithm: 'crc32', bytes: BYTES, type: 'full-object' } as const;
  const bytes = encodeObjectRecord({ ...record, checksum });
  bytes[placeOf(record)] = NEWER;
  return bytes;
}

const REFUSED = expect.objectContaining({ code: 'KV_INCOMPATIBLE' });

test('an algorithm, a body, a field and an end of an object that a newer Holdfast wrote are refused, and not misread', () => {
  expect(() => decodeObjectRecord(ofNewerAlgorithm(RECORD))).toThrow(REFUSED);
  const body = encodeObjectRecord(RECORD);
  body[placeOf(RECORD) + 1] = NEWER;
  expect(() => decodeObjectRecord(body)).toThrow(REFUSED);
  const end = encodeObjectRecord({ ...RECORD, version: { id: new Uint8Array(16), isNull: true } });
  end[end.length - 17] = NEWER;
  expect(() => decodeObjectRecord(end)).toThrow(REFUSED);
  const owner = encodeGroupOwner({ kind: 'object', bucketId: new Uint8Array(16), key: 'k' });
  owner[1] = NEWER;
  expect(() => decodeGroupOwner(owner)).toThrow(REFUSED);
  for (const mask of [2 ** 13, 2 ** 32, 2 ** 40]) {
    const fields = new ByteWriter(16).varint(mask).varint(0).finish();
    expect(() => readMetadata(new ByteReader(fields))).toThrow(REFUSED);
  }
});

test('garbage collection keeps the parts of an object with a checksum that only a newer Holdfast knows', async () => {
  const { store, kv } = await openFixture(LIMITS);
  const { uploadId } = await store.createMultipartUpload({
    ...KEY,
    ownerId: 'me',
    metadata: { user: {} },
  });
  const body = { pieces: piecesOf(pattern(9000)) };
  const part = await store.uploadPart({ ...KEY, uploadId, partNumber: 1, body });
  await store.completeMultipartUpload({ ...KEY, uploadId, parts: [part] });
  await store.collectGarbage();
  const chunks = await countIn(kv, KEY_SPACE.chunk);
  const { entries } = await kv.scan({ ...spaceRange(KEY_SPACE.object), limit: 1 });
  const [entry] = entries;
  if (entry === undefined) throw new Error('there is no object');
  const value = ofNewerAlgorithm(decodeObjectRecord(entry.value));
  await kv.transact({ operations: [{ kind: 'put', key: entry.key, value }] });
  await store.collectGarbage().catch((error: unknown) => expect(error).toEqual(REFUSED));
  expect(await countIn(kv, KEY_SPACE.chunk)).toBe(chunks);
});
