/**
 * Where everything is in the KvStore. A kvKey is one byte of key space followed by a tuple whose
 * fields are told apart by their length, never by a separator that a name may contain:
 * ids have 16 bytes, numbers are big-endian so that they sort, a name is last in its key or, where
 * something follows it, escaped and terminated. `docs/formats/keys.md` has the tables.
 *
 * Invariant: keys of one space sort as S3 lists them: by bucket, then by the UTF-8 bytes of the key.
 */
import { ByteReader, fromUtf8, prefixEnd, utf8 } from '@holdfast/bytes';

/** First byte of every kvKey of this package. A number, once used, is never given another meaning. */
export const KEY_SPACE = {
  /** name -> bucket record. */
  bucket: 0x10,
  /** bucketId -> to-do of the sweeper: uploads of a deleted bucket. */
  deletedBucket: 0x11,
  /** Nothing more -> how far the pass of the lifecycle rules has come. */
  lifecyclePass: 0x12,
  /** bucketId, client token -> what was done under it. */
  clientToken: 0x13,
  /** bucketId, key -> object record. */
  object: 0x20,
  /** bucketId, key, inverted versionId -> record of a version that is not the latest. */
  objectVersion: 0x21,
  /** bucketId, key -> record of a delete marker that is the latest version. */
  deleteMarker: 0x22,
  /** bucketId, key -> versionId of the null version, while it is not the latest. */
  nullVersion: 0x23,
  /** blobId, chunkNumber -> bytes. */
  chunk: 0x30,
  /** blobId -> what refers to it. */
  reference: 0x31,
  /** blobId -> intent of a put that has not committed. */
  intent: 0x32,
  /** blobId -> to-do of the sweeper: chunks of a blob that nothing refers to any more. */
  releasedBlob: 0x33,
  /** bucketId, key, uploadId -> upload record. */
  upload: 0x40,
  /** uploadId, partNumber -> part record. */
  part: 0x41,
  /** uploadId -> what holds the parts: an open upload, or the object completed from it. */
  partGroup: 0x42,
  /** uploadId, page -> parts of a completed object. */
  manifest: 0x43,
  /** uploadId -> answer of a Complete, for its retry. */
  completedUpload: 0x44,
  /** uploadId -> to-do of the sweeper: part records left after a Complete. */
  leftoverParts: 0x45,
  /** uploadId -> to-do of the sweeper: all parts of an aborted upload or an overwritten object. */
  releasedGroup: 0x46,
  /** stamp, key -> a change, for the feed. */
  change: 0x50,
  /** length and name of a target, stamp, key -> a change that the target is to be told of. */
  event: 0x51,
  /** -> where the feed begins. */
  feed: 0x52,
} as const;

export type KeySpace = (typeof KEY_SPACE)[keyof typeof KEY_SPACE];

/** Bytes of a bucketId, blobId or uploadId. */
export const ID_SIZE_BYTES = 16;

/** Range of kvKeys, `from` inclusive, `to` exclusive. */
export interface KvRange {
  readonly from: Uint8Array;
  readonly to: Uint8Array;
}

/** All keys of a space, or those of it that go on with `prefix`. */
export function spaceRange(space: KeySpace, prefix: Uint8Array = new Uint8Array(0)): KvRange {
  const from = joined(space, prefix);
  // A space byte is never 0xff, so every range has an end.
  return { from, to: prefixEnd(from) as Uint8Array };
}

/** A key of a space whose tuple is one id. */
export function idKey(space: KeySpace, id: Uint8Array): Uint8Array {
  return joined(space, id);
}

/** The id that follows the space byte; shares memory with the key. */
export function idOfKey(kvKey: Uint8Array): Uint8Array {
  return kvKey.subarray(1, 1 + ID_SIZE_BYTES);
}

export function bucketKey(name: string): Uint8Array {
  return joined(KEY_SPACE.bucket, utf8(name));
}

export function objectKvKey(bucketId: Uint8Array, objectKey: string): Uint8Array {
  return joined(KEY_SPACE.object, bucketId, utf8(objectKey));
}

/** Where it is written down what was done under a client's token. */
export function tokenKey(bucketId: Uint8Array, token: string): Uint8Array {
  return joined(KEY_SPACE.clientToken, bucketId, utf8(token));
}

/** The object's key in a kvKey of the object space. */
export function objectKeyOf(kvKey: Uint8Array): string {
  return fromUtf8(kvKey.subarray(1 + ID_SIZE_BYTES));
}

/** Where the delete marker is that is the latest version of a key. */
export function markerKvKey(bucketId: Uint8Array, objectKey: string): Uint8Array {
  return joined(KEY_SPACE.deleteMarker, bucketId, utf8(objectKey));
}

export function nullVersionKey(bucketId: Uint8Array, objectKey: string): Uint8Array {
  return joined(KEY_SPACE.nullVersion, bucketId, utf8(objectKey));
}

/** An older version. The id is inverted, so that the newest of a key comes first. */
export function versionKey(
  bucketId: Uint8Array,
  objectKey: string,
  versionId: Uint8Array,
): Uint8Array {
  const name = escaped(utf8(objectKey));
  return joined(KEY_SPACE.objectVersion, bucketId, name, TERMINATOR, inverted(versionId));
}

/** Start of the keys of older versions whose object key begins with `prefix`. */
export function versionPrefix(bucketId: Uint8Array, prefix: string): Uint8Array {
  return joined(KEY_SPACE.objectVersion, bucketId, escaped(utf8(prefix)));
}

/** All older versions of exactly this object key, newest first. */
export function versionsOfKey(bucketId: Uint8Array, objectKey: string): KvRange {
  const name = escaped(utf8(objectKey));
  const from = joined(KEY_SPACE.objectVersion, bucketId, name, TERMINATOR);
  return { from, to: prefixEnd(from) as Uint8Array };
}

export function decodeVersionKey(kvKey: Uint8Array): {
  readonly key: string;
  readonly versionId: Uint8Array;
} {
  const nameEnd = kvKey.length - ID_SIZE_BYTES - TERMINATOR.length;
  const name = unescaped(kvKey.subarray(1 + ID_SIZE_BYTES, nameEnd));
  return {
    key: fromUtf8(name),
    versionId: inverted(kvKey.subarray(kvKey.length - ID_SIZE_BYTES)),
  };
}

function inverted(id: Uint8Array): Uint8Array {
  return id.map((byte) => ~byte);
}

export function chunkKey(blobId: Uint8Array, chunkNumber: number): Uint8Array {
  const kvKey = new Uint8Array(1 + ID_SIZE_BYTES + 4);
  kvKey[0] = KEY_SPACE.chunk;
  kvKey.set(blobId, 1);
  // Why not joined of it as an array of its own: `Uint8Array.of` alone took 3 % of a small object's read.
  kvKey[ID_SIZE_BYTES + 1] = chunkNumber >>> 24;
  kvKey[ID_SIZE_BYTES + 2] = chunkNumber >>> 16;
  kvKey[ID_SIZE_BYTES + 3] = chunkNumber >>> 8;
  kvKey[ID_SIZE_BYTES + 4] = chunkNumber;
  return kvKey;
}

export function uploadKey(
  bucketId: Uint8Array,
  objectKey: string,
  uploadId: Uint8Array,
): Uint8Array {
  return joined(KEY_SPACE.upload, bucketId, escaped(utf8(objectKey)), TERMINATOR, uploadId);
}

/** Start of the upload keys of a bucket whose object key begins with `prefix`. */
export function uploadPrefix(bucketId: Uint8Array, prefix: string): Uint8Array {
  return joined(KEY_SPACE.upload, bucketId, escaped(utf8(prefix)));
}

/** Start of the upload keys of exactly this object key. */
export function uploadsOfKey(bucketId: Uint8Array, objectKey: string): Uint8Array {
  return joined(KEY_SPACE.upload, bucketId, escaped(utf8(objectKey)), TERMINATOR);
}

export function decodeUploadKey(kvKey: Uint8Array): {
  readonly bucketId: Uint8Array;
  readonly key: string;
  readonly uploadId: Uint8Array;
} {
  const end = kvKey.length - ID_SIZE_BYTES;
  const name = unescaped(kvKey.subarray(1 + ID_SIZE_BYTES, end - TERMINATOR.length));
  return { bucketId: idOfKey(kvKey), key: fromUtf8(name), uploadId: kvKey.subarray(end) };
}

export function partKey(uploadId: Uint8Array, partNumber: number): Uint8Array {
  return joined(KEY_SPACE.part, uploadId, u16(partNumber));
}

export function manifestKey(uploadId: Uint8Array, page: number): Uint8Array {
  return joined(KEY_SPACE.manifest, uploadId, u16(page));
}

/** The part number or page number at the end of a part's or manifest page's kvKey. */
export function trailingNumberOf(kvKey: Uint8Array): number {
  const reader = new ByteReader(kvKey.subarray(kvKey.length - 2));
  return reader.u8() * 0x100 + reader.u8();
}

// Why: a zero byte in a name becomes 00 ff, and the name ends with 00 01, so that "a" sorts before
// "a\0", and both before "ab". A name that is last in its key needs neither.
const TERMINATOR = Uint8Array.of(0x00, 0x01);

function escaped(name: Uint8Array): Uint8Array {
  if (!name.includes(0)) return name;
  const bytes: number[] = [];
  for (const byte of name) {
    bytes.push(byte);
    if (byte === 0) bytes.push(0xff);
  }
  return Uint8Array.from(bytes);
}

function unescaped(bytes: Uint8Array): Uint8Array {
  if (!bytes.includes(0)) return bytes;
  return bytes.filter(
    (_, position) => position === 0 || bytes[position - 1] !== 0 || bytes[position] !== 0xff,
  );
}

function u16(value: number): Uint8Array {
  return Uint8Array.of(value >>> 8, value);
}

function joined(space: KeySpace, ...fields: readonly Uint8Array[]): Uint8Array {
  let sizeBytes = 1;
  for (const field of fields) sizeBytes += field.length;
  const kvKey = new Uint8Array(sizeBytes);
  kvKey[0] = space;
  let offset = 1;
  for (const field of fields) {
    kvKey.set(field, offset);
    offset += field.length;
  }
  return kvKey;
}
