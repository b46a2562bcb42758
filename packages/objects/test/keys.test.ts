import { readFileSync } from 'node:fs';
import { compareBytes, fromHex, fromUtf8, toHex, utf8 } from '@holdfast/bytes';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fromBase64, toBase64 } from '../src/base64.ts';
import { decodeBucketRecord } from '../src/bucket-record.ts';
import {
  bucketKey,
  chunkKey,
  decodeUploadKey,
  idOfKey,
  KEY_SPACE,
  objectKeyOf,
  objectKvKey,
  partKey,
  spaceRange,
  trailingNumberOf,
  uploadKey,
  uploadPrefix,
  uploadsOfKey,
} from '../src/keys.ts';
import { decodeObjectRecord, encodeObjectRecord, objectInfo } from '../src/object-record.ts';
import {
  decodeBlobOwner,
  decodeGroupOwner,
  encodeBlobOwner,
  encodeGroupOwner,
} from '../src/owner-record.ts';
import {
  decodeManifestPage,
  decodePartRecord,
  encodeManifestPage,
  encodePartRecord,
} from '../src/part-record.ts';
import { decodeUploadRecord, encodeUploadRecord } from '../src/upload-record.ts';

const id = fc.uint8Array({ minLength: 16, maxLength: 16 });
/** Names with zero bytes and what sorts differently in UTF-16 and in UTF-8. */
const name = fc
  .array(fc.constantFrom('\0', '\u0001', 'a', 'b', '/', 'ÿ', '\uffff', '\u{10ffff}'), {
    minLength: 1,
    maxLength: 6,
  })
  .map((letters) => letters.join(''));
const sign = (value: number): number => Math.sign(value);

test('object keys sort by bucket and then by UTF-8 bytes', () => {
  fc.assert(
    fc.property(id, name, name, (bucketId, left, right) => {
      const order = compareBytes(objectKvKey(bucketId, left), objectKvKey(bucketId, right));
      expect(sign(order)).toBe(sign(compareBytes(utf8(left), utf8(right))));
      expect(objectKeyOf(objectKvKey(bucketId, left))).toBe(left);
    }),
  );
});

test('upload keys sort by bucket, key and upload, and give them back', () => {
  fc.assert(
    fc.property(id, name, name, id, id, (bucketId, left, right, first, second) => {
      const key = uploadKey(bucketId, left, first);
      const order = compareBytes(key, uploadKey(bucketId, right, second));
      const byKey = compareBytes(utf8(left), utf8(right));
      expect(sign(order)).toBe(sign(byKey === 0 ? compareBytes(first, second) : byKey));
      const decoded = decodeUploadKey(key);
      expect([toHex(decoded.bucketId), decoded.key, toHex(decoded.uploadId)]).toEqual([
        toHex(bucketId),
        left,
        toHex(first),
      ]);
    }),
  );
});

test('a range of uploads has those of a prefix, or of one key, and no other', () => {
  fc.assert(
    fc.property(id, name, name, id, (bucketId, prefix, key, uploadId) => {
      const kvKey = uploadKey(bucketId, key, uploadId);
      const within = (start: Uint8Array): boolean => {
        const { from, to } = spaceRange(KEY_SPACE.upload, start.subarray(1));
        return compareBytes(kvKey, from) >= 0 && compareBytes(kvKey, to) < 0;
      };
      expect(within(uploadPrefix(bucketId, prefix))).toBe(key.startsWith(prefix));
      expect(within(uploadsOfKey(bucketId, prefix))).toBe(key === prefix);
    }),
  );
});

test('chunks and parts sort by number', () => {
  fc.assert(
    fc.property(id, fc.nat(0xffff_ffff), fc.nat(0xffff_ffff), (blobId, left, right) => {
      expect(sign(compareBytes(chunkKey(blobId, left), chunkKey(blobId, right)))).toBe(
        sign(left - right),
      );
      expect(idOfKey(chunkKey(blobId, left))).toEqual(blobId);
      expect(trailingNumberOf(partKey(blobId, left % 10_001))).toBe(left % 10_001);
    }),
  );
});

test('base64 is what everybody means by it', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      expect(toBase64(bytes)).toBe(Buffer.from(bytes).toString('base64'));
      expect(fromBase64(toBase64(bytes))).toEqual(bytes);
    }),
  );
  for (const bad of ['A', 'AA', 'AAA', 'A===', '====', 'AA=A', 'AAAA\n', 'AA-_']) {
    expect(fromBase64(bad)).toBeUndefined();
  }
});

const size = fc.nat({ max: 2 ** 42 });
const digest = fc.constantFrom('crc32', 'crc32c', 'crc64nvme', 'sha1', 'sha256');
const checksum = fc.option(
  fc.record({ algorithm: digest, bytes: fc.uint8Array({ minLength: 4, maxLength: 32 }) }),
  { nil: undefined },
);
const metadata = fc
  .record(
    {
      user: fc.dictionary(fc.string({ minLength: 1 }), fc.string({ unit: 'grapheme' })),
      contentType: fc.string(),
      cacheControl: fc.string(),
      contentDisposition: fc.string(),
      contentEncoding: fc.string(),
      contentLanguage: fc.string(),
      expires: fc.string(),
      websiteRedirectLocation: fc.string(),
      storageClass: fc.string(),
    },
    { requiredKeys: ['user'], noNullPrototype: true },
  )
  .map((value) => ({ ...value, user: { ...value.user } }));

test('an object record comes back as it was', () => {
  const body = (sizeBytes: number) =>
    fc.oneof(
      fc.constant({ kind: 'empty' as const }),
      id.map((blobId) => ({
        kind: 'blob' as const,
        blob: { blobId, chunkSizeBytes: 1_048_576, sizeBytes },
      })),
      fc.record({
        kind: fc.constant('parts' as const),
        uploadId: id,
        pages: fc.array(fc.record({ firstPartNumber: fc.nat(10_000), offset: size }), {
          maxLength: 40,
        }),
      }),
    );
  const record = size.chain((sizeBytes) =>
    fc.record({
      sizeBytes: fc.constant(sizeBytes),
      modifiedMs: size,
      md5: id,
      partCount: fc.nat(10_000),
      checksum: checksum.map((raw) => raw && { ...raw, type: 'full-object' as const }),
      body: body(sizeBytes),
      metadata,
    }),
  );
  fc.assert(
    fc.property(record, (value) => {
      expect(decodeObjectRecord(encodeObjectRecord(value))).toEqual(value);
    }),
  );
});

test('a user metadata name of __proto__ is a name like any other', () => {
  const user = JSON.parse('{"__proto__":"x"}') as Record<string, string>;
  const record = {
    sizeBytes: 0,
    modifiedMs: 0,
    md5: new Uint8Array(16),
    partCount: 0,
    checksum: undefined,
    body: { kind: 'empty' as const },
    metadata: { user },
  };
  const decoded = decodeObjectRecord(encodeObjectRecord(record)).metadata.user;
  expect(Object.entries(decoded)).toEqual([['__proto__', 'x']]);
});

test('records of uploads, parts and owners come back as they were', () => {
  const part = fc
    .record({ partNumber: fc.nat(10_000), sizeBytes: size, modifiedMs: size, md5: id, checksum })
    .chain((value) =>
      fc.option(id, { nil: undefined }).map((blobId) => {
        const { sizeBytes } = value;
        const blob = blobId && { blobId, chunkSizeBytes: 1_048_576, sizeBytes };
        return { ...value, blob };
      }),
    );
  const upload = fc.record({
    initiatedMs: size,
    ownerId: fc.string(),
    checksumAlgorithm: fc.option(digest, { nil: undefined }),
    checksumType: fc.constantFrom('composite', 'full-object', undefined),
    checksumIsDefault: fc.constant(false),
    sealed: fc.boolean(),
    metadata,
  });
  fc.assert(
    fc.property(
      part,
      fc.array(part, { maxLength: 5 }),
      upload,
      id,
      name,
      (one, many, up, owner, key) => {
        expect(decodePartRecord(encodePartRecord(one))).toEqual(one);
        expect(decodeManifestPage(encodeManifestPage(many))).toEqual(many);
        expect(decodeUploadRecord(encodeUploadRecord(up))).toEqual(up);
        const object = { kind: 'object' as const, bucketId: owner, key };
        expect(decodeBlobOwner(encodeBlobOwner(object))).toEqual(object);
        const held = { kind: 'part' as const, uploadId: owner };
        expect(decodeBlobOwner(encodeBlobOwner(held))).toEqual(held);
        expect(decodeGroupOwner(encodeGroupOwner(object))).toEqual(object);
      },
    ),
  );
});

test('a record of a newer version is refused, and says so', () => {
  expect(() => decodePartRecord(Uint8Array.of(2, 0))).toThrow(
    expect.objectContaining({ code: 'KV_INCOMPATIBLE' }),
  );
});

/** The bytes of a hex block of the format's page, without its comments. */
function example(page: string, title: string): Uint8Array {
  const block = page.split(`#### ${title}\n`)[1]?.split('```')[1]?.replace(/^hex/, '') ?? '';
  const digits = block
    .split('\n')
    .map((line) => line.split('  ')[0] ?? '')
    .join('');
  return fromHex(digits.replaceAll(/\s/g, ''));
}

test('the example on the format page decodes to what the page says', () => {
  const page = readFileSync(new URL('../../../docs/formats/keys.md', import.meta.url), 'utf8');
  const bucket = decodeBucketRecord(example(page, 'Value of the bucket'));
  expect(bucket.bucketId.buffer.byteLength).toBe(bucket.bucketId.length);
  expect(example(page, 'Key of the bucket')).toEqual(bucketKey('photos'));
  expect({ ...bucket, bucketId: toHex(bucket.bucketId) }).toEqual({
    bucketId: '000102030405060708090a0b0c0d0e0f',
    createdMs: 1_735_689_600_000,
    ownerId: 'me',
    region: 'us-east-1',
    deleting: false,
    settings: new Map(),
  });
  expect(example(page, 'Key of the object')).toEqual(objectKvKey(bucket.bucketId, 'a/é'));
  const record = decodeObjectRecord(example(page, 'Value of the object'));
  expect(objectInfo('photos', 'a/é', record)).toEqual({
    bucket: 'photos',
    key: 'a/é',
    sizeBytes: 5,
    etag: '5d41402abc4b2a76b9719d911017c592',
    modifiedMs: 1_735_689_600_000,
    metadata: { user: { colour: 'blue' }, contentType: 'text/plain' },
    checksum: { algorithm: 'crc32', type: 'full-object', value: 'NhCmhg==' },
  });
  if (record.body.kind !== 'blob') throw new Error('the example has a blob');
  expect(example(page, 'Key of the chunk')).toEqual(chunkKey(record.body.blob.blobId, 0));
  expect(fromUtf8(example(page, 'Value of the chunk'))).toBe('hello');
  const owner = decodeBlobOwner(example(page, 'Value of the reference'));
  expect(owner).toEqual({ kind: 'object', bucketId: bucket.bucketId, key: 'a/é' });
  const golden = { ...record };
  expect(toHex(encodeObjectRecord(golden))).toBe(toHex(example(page, 'Value of the object')));
});
