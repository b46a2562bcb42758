/**
 * The record of an object: what a listing, a head and the conditions of a write need, and where the
 * bytes are. Typically 100 to 300 bytes, so that it stays in the KvStore's index; the part list of a
 * multipart object is kept elsewhere (`manifest.ts`).
 */
import { toHex } from '@holdfast/bytes';
import { toBase64 } from './base64.ts';
import type { Validators } from './conditions.ts';
import {
  type EncryptionRecord,
  encryptionInfo,
  readEncryption,
  writeEncryption,
} from './encryption.ts';
import { ID_SIZE_BYTES } from './keys.ts';
import {
  type RawChecksum,
  readMetadata,
  readRawChecksum,
  writeMetadata,
  writeRawChecksum,
} from './metadata-codec.ts';
import type { ObjectInfo, ObjectMetadata, StoredChecksum } from './object-store.ts';
import { ENCRYPTED_VERSION, newerField, recordReader, recordWriter } from './record-version.ts';

/** A run of bytes in chunks: chunk n has bytes [n * chunkSizeBytes, (n + 1) * chunkSizeBytes). */
export interface BlobRef {
  readonly blobId: Uint8Array;
  readonly chunkSizeBytes: number;
  readonly sizeBytes: number;
}

/** Where a page of the manifest begins. */
export interface ManifestPageStart {
  readonly firstPartNumber: number;
  /** Byte offset in the object of the page's first part. */
  readonly offset: number;
}

export type ObjectBody =
  | { readonly kind: 'empty' }
  | { readonly kind: 'blob'; readonly blob: BlobRef }
  | {
      readonly kind: 'parts';
      readonly uploadId: Uint8Array;
      readonly pages: readonly ManifestPageStart[];
    }
  /** A delete marker: a version that says that there is no object. */
  | { readonly kind: 'marker' };

/** Which version of its key a record is. Only buckets that have or had versioning have these. */
export interface RecordVersion {
  /** Its first six bytes are a time that grows with every version of the key. */
  readonly id: Uint8Array;
  /** Clients know it as `null`, whatever the id. */
  readonly isNull: boolean;
}

export interface ObjectRecord {
  readonly sizeBytes: number;
  readonly modifiedMs: number;
  /** MD5 of the body, or of the MD5s of the parts; a secret function of it where a customer's or a named key encrypts. */
  readonly md5: Uint8Array;
  /** 0 for a plain put. */
  readonly partCount: number;
  readonly checksum: (RawChecksum & { readonly type: StoredChecksum['type'] }) | undefined;
  readonly body: ObjectBody;
  readonly metadata: ObjectMetadata;
  /** undefined: the null version, written while the bucket had no versioning. */
  readonly version?: RecordVersion | undefined;
  /** undefined: the bytes are stored as they came. */
  readonly encryption?: EncryptionRecord | undefined;
}

/** Bits of the byte after the metadata. */
const TAIL = { isNull: 1, noVersion: 2, encryption: 4 } as const;
const TAIL_BITS: number = TAIL.isNull | TAIL.noVersion | TAIL.encryption;

const BODY_KIND = { empty: 0, blob: 1, parts: 2, marker: 3 } as const;

export function encodeObjectRecord(record: ObjectRecord): Uint8Array {
  const { version, encryption } = record;
  const writer = recordWriter(256, { encrypted: encryption !== undefined })
    .varint(record.sizeBytes)
    .varint(record.modifiedMs)
    .bytes(record.md5)
    .varint(record.partCount);
  writeRawChecksum(writer, record.checksum);
  if (record.checksum !== undefined) writer.u8(record.checksum.type === 'composite' ? 1 : 0);
  const { body } = record;
  writer.u8(BODY_KIND[body.kind]);
  if (body.kind === 'blob') {
    writer.bytes(body.blob.blobId).varint(body.blob.chunkSizeBytes);
  } else if (body.kind === 'parts') {
    writer.bytes(body.uploadId).varint(body.pages.length);
    for (const page of body.pages) writer.varint(page.firstPartNumber).varint(page.offset);
  }
  writeMetadata(writer, record.metadata);
  // Why nothing for none: it is the record of an object from before there were versions.
  if (version === undefined && encryption === undefined) return writer.finish();
  writer.u8(
    (version?.isNull === true ? TAIL.isNull : 0) |
      (version === undefined ? TAIL.noVersion : 0) |
      (encryption === undefined ? 0 : TAIL.encryption),
  );
  if (version !== undefined) writer.bytes(version.id);
  if (encryption !== undefined) writeEncryption(writer, encryption);
  return writer.finish();
}

export function decodeObjectRecord(value: Uint8Array): ObjectRecord {
  const reader = recordReader(value, 'an object record', ENCRYPTED_VERSION);
  const sizeBytes = reader.varint();
  const modifiedMs = reader.varint();
  const md5 = reader.bytes(ID_SIZE_BYTES);
  const partCount = reader.varint();
  const raw = readRawChecksum(reader);
  const checksum: ObjectRecord['checksum'] = raw && {
    algorithm: raw.algorithm,
    bytes: raw.bytes,
    type: reader.u8() === 1 ? 'composite' : 'full-object',
  };
  const kind = reader.u8();
  let body: ObjectBody = { kind: 'empty' };
  if (kind === BODY_KIND.blob) {
    const blobId = reader.bytes(ID_SIZE_BYTES);
    body = { kind: 'blob', blob: { blobId, chunkSizeBytes: reader.varint(), sizeBytes } };
  } else if (kind === BODY_KIND.parts) {
    const uploadId = reader.bytes(ID_SIZE_BYTES);
    const pages: ManifestPageStart[] = [];
    for (let rest = reader.varint(); rest > 0; rest--) {
      pages.push({ firstPartNumber: reader.varint(), offset: reader.varint() });
    }
    body = { kind: 'parts', uploadId, pages };
  } else if (kind === BODY_KIND.marker) {
    body = { kind: 'marker' };
  } else if (kind !== BODY_KIND.empty) {
    throw newerField('the body of an object');
  }
  const metadata = readMetadata(reader);
  const tail = reader.remaining === 0 ? TAIL.noVersion : reader.u8();
  if (tail > TAIL_BITS) throw newerField('the end of the record of an object');
  const version =
    (tail & TAIL.noVersion) === 0
      ? { isNull: (tail & TAIL.isNull) !== 0, id: reader.bytes(ID_SIZE_BYTES) }
      : undefined;
  const record = { sizeBytes, modifiedMs, md5, partCount, checksum, body, metadata, version };
  if ((tail & TAIL.encryption) === 0) return record;
  return { ...record, encryption: readEncryption(reader) };
}

/** The ETag without quotes. */
export function etagOf(record: Pick<ObjectRecord, 'md5' | 'partCount'>): string {
  return record.partCount === 0 ? toHex(record.md5) : `${toHex(record.md5)}-${record.partCount}`;
}

export function storedChecksumOf(record: ObjectRecord): StoredChecksum | undefined {
  if (record.checksum === undefined) return undefined;
  const { algorithm, type, bytes } = record.checksum;
  const suffix = type === 'composite' ? `-${record.partCount}` : '';
  return { algorithm, type, value: toBase64(bytes) + suffix };
}

/** What callers see of a record; `versioned` for a bucket that has or had versioning. */
export function objectInfo(
  bucket: string,
  key: string,
  record: ObjectRecord,
  versioned: boolean = record.version !== undefined,
): ObjectInfo {
  // Why all fields, always: objects of one shape cost a fifth of what spreading a few into one does.
  return {
    versionId: versioned ? versionIdText(record.version) : undefined,
    bucket,
    key,
    sizeBytes: record.sizeBytes,
    etag: etagOf(record),
    modifiedMs: record.modifiedMs,
    metadata: record.metadata,
    checksum: storedChecksumOf(record),
    partCount: record.partCount === 0 ? undefined : record.partCount,
    encryption: record.encryption && encryptionInfo(record.encryption),
  };
}

/** The id by which clients know a version. */
export function versionIdText(version: RecordVersion | undefined): string {
  return version === undefined || version.isNull ? 'null' : toHex(version.id);
}

/** What conditions look at. */
export function validatorsOf(record: ObjectRecord): Validators;
export function validatorsOf(record: ObjectRecord | undefined): Validators | undefined;
export function validatorsOf(record: ObjectRecord | undefined): Validators | undefined {
  if (record === undefined) return undefined;
  const { sizeBytes, modifiedMs } = record;
  return { etag: etagOf(record), sizeBytes, modifiedMs };
}
