import { type ByteReader, type ByteWriter, toHex } from '@holdfast/bytes';
import { toBase64 } from './base64.ts';
import { ID_SIZE_BYTES } from './keys.ts';
import { type RawChecksum, readRawChecksum, writeRawChecksum } from './metadata-codec.ts';
import type { BlobRef } from './object-record.ts';
import type { PartInfo } from './object-store.ts';
import { recordReader, recordWriter } from './record-version.ts';

/** A part of an open upload or of a completed object. */
export interface PartRecord {
  readonly partNumber: number;
  readonly sizeBytes: number;
  readonly modifiedMs: number;
  readonly md5: Uint8Array;
  readonly checksum: RawChecksum | undefined;
  /** undefined for a part without bytes. */
  readonly blob: BlobRef | undefined;
}

export function encodePartRecord(record: PartRecord): Uint8Array {
  const writer = recordWriter(128);
  writePart(writer, record);
  return writer.finish();
}

export function decodePartRecord(value: Uint8Array): PartRecord {
  return readPart(recordReader(value, 'a part record'));
}

/** Parts in a row, after a count: a page of the manifest. */
export function encodeManifestPage(parts: readonly PartRecord[]): Uint8Array {
  const writer = recordWriter(128 * parts.length + 16).varint(parts.length);
  for (const part of parts) writePart(writer, part);
  return writer.finish();
}

export function decodeManifestPage(value: Uint8Array): PartRecord[] {
  const reader = recordReader(value, 'a manifest page');
  const parts: PartRecord[] = [];
  for (let rest = reader.varint(); rest > 0; rest--) parts.push(readPart(reader));
  return parts;
}

export function partInfo(record: PartRecord): PartInfo {
  const { partNumber, sizeBytes, modifiedMs, checksum } = record;
  const info = { partNumber, etag: toHex(record.md5), sizeBytes, modifiedMs };
  if (checksum === undefined) return info;
  const { algorithm, bytes } = checksum;
  return { ...info, checksum: { algorithm, value: toBase64(bytes) } };
}

function writePart(writer: ByteWriter, record: PartRecord): void {
  writer
    .varint(record.partNumber)
    .varint(record.sizeBytes)
    .varint(record.modifiedMs)
    .bytes(record.md5);
  writeRawChecksum(writer, record.checksum);
  writer.varint(record.blob?.chunkSizeBytes ?? 0);
  if (record.blob !== undefined) writer.bytes(record.blob.blobId);
}

function readPart(reader: ByteReader): PartRecord {
  const partNumber = reader.varint();
  const sizeBytes = reader.varint();
  const modifiedMs = reader.varint();
  const md5 = reader.bytes(ID_SIZE_BYTES);
  const checksum = readRawChecksum(reader);
  const chunkSizeBytes = reader.varint();
  const blob =
    chunkSizeBytes === 0
      ? undefined
      : { blobId: reader.bytes(ID_SIZE_BYTES), chunkSizeBytes, sizeBytes };
  return { partNumber, sizeBytes, modifiedMs, md5, checksum, blob };
}
