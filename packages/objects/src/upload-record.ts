import { toHex } from '@holdfast/bytes';
import {
  type EncryptionRecord,
  encryptionInfo,
  readEncryption,
  writeEncryption,
} from './encryption.ts';
import { ID_SIZE_BYTES } from './keys.ts';
import { readAlgorithm, readMetadata, writeAlgorithm, writeMetadata } from './metadata-codec.ts';
import { decodeObjectRecord, encodeObjectRecord, type ObjectRecord } from './object-record.ts';
import type {
  ChecksumAlgorithm,
  ObjectAddress,
  ObjectMetadata,
  StoredChecksum,
  UploadInfo,
} from './object-store.ts';
import { ENCRYPTED_VERSION, recordReader, recordWriter } from './record-version.ts';

/** An open multipart upload. */
export interface UploadRecord {
  readonly initiatedMs: number;
  readonly ownerId: string;
  readonly checksumAlgorithm: ChecksumAlgorithm | undefined;
  readonly checksumType: StoredChecksum['type'] | undefined;
  /** The client named no checksum, and the algorithm is S3's own choice. */
  readonly checksumIsDefault: boolean;
  /**
   * A Complete is reading the parts. A part that commits meanwhile takes the mark away, and with it
   * the version that the Complete's transaction asks for.
   */
  readonly sealed: boolean;
  readonly metadata: ObjectMetadata;
  /** Of the object, and so of every part. */
  readonly encryption?: EncryptionRecord | undefined;
}

export function encodeUploadRecord(record: UploadRecord): Uint8Array {
  const { encryption } = record;
  const writer = recordWriter(256, { encrypted: encryption !== undefined })
    .u8(record.sealed ? 1 : 0)
    .varint(record.initiatedMs)
    .text(record.ownerId);
  writeAlgorithm(writer, record.checksumAlgorithm);
  writer.u8(checksumTypeCode(record));
  writeMetadata(writer, record.metadata);
  if (encryption !== undefined) writeEncryption(writer, encryption);
  return writer.finish();
}

/** 0 none, 1 full-object, 2 composite, 3 full-object by default. */
function checksumTypeCode({ checksumType, checksumIsDefault }: UploadRecord): number {
  if (checksumType === undefined) return 0;
  if (checksumIsDefault) return 3;
  return checksumType === 'composite' ? 2 : 1;
}

export function decodeUploadRecord(value: Uint8Array): UploadRecord {
  const reader = recordReader(value, 'an upload record', ENCRYPTED_VERSION);
  const sealed = reader.u8() === 1;
  const initiatedMs = reader.varint();
  const ownerId = reader.text();
  const checksumAlgorithm = readAlgorithm(reader);
  const type = reader.u8();
  const checksumType = type === 0 ? undefined : type === 2 ? 'composite' : 'full-object';
  const metadata = readMetadata(reader);
  return {
    sealed,
    initiatedMs,
    ownerId,
    checksumAlgorithm,
    checksumType,
    checksumIsDefault: type === 3,
    metadata,
    ...(reader.remaining === 0 ? {} : { encryption: readEncryption(reader) }),
  };
}

export function uploadInfo(
  address: ObjectAddress,
  uploadId: Uint8Array,
  record: UploadRecord,
): UploadInfo {
  const { initiatedMs, ownerId, metadata, checksumAlgorithm, checksumType } = record;
  return {
    checksumIsDefault: record.checksumIsDefault,
    bucket: address.bucket,
    key: address.key,
    uploadId: toHex(uploadId),
    initiatedMs,
    ownerId,
    metadata,
    ...(checksumAlgorithm === undefined ? {} : { checksumAlgorithm }),
    ...(checksumType === undefined ? {} : { checksumType }),
    ...(record.encryption === undefined ? {} : { encryption: encryptionInfo(record.encryption) }),
  };
}

/** The answer of a Complete, kept so that a retry gets it again. */
export interface CompletedRecord {
  readonly completedMs: number;
  /** MD5 of what was asked: bucket, key and parts. */
  readonly requestMd5: Uint8Array;
  readonly object: ObjectRecord;
}

export function encodeCompletedRecord(record: CompletedRecord): Uint8Array {
  return recordWriter()
    .varint(record.completedMs)
    .bytes(record.requestMd5)
    .sized(encodeObjectRecord(record.object))
    .finish();
}

export function decodeCompletedRecord(value: Uint8Array): CompletedRecord {
  const reader = recordReader(value, 'a completed upload');
  const completedMs = reader.varint();
  const requestMd5 = reader.bytes(ID_SIZE_BYTES);
  return { completedMs, requestMd5, object: decodeObjectRecord(reader.sized()) };
}
