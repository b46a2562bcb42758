import type { ByteReader, ByteWriter } from '@holdfast/bytes';
import { MalformedBytesError } from '@holdfast/bytes';
import type { Extent } from '@holdfast/wal';
import type { ExtentRecord, InlineRecord, LiveRecord } from '../index-record.ts';
import { INLINE_VALUE_LIMIT_BYTES } from '../index-record.ts';
import { VALUE_SIZE_LIMIT_BYTES } from '../limits.ts';

/**
 * An entry as every node has it: which value a key has, and not where it is. A value is named by its key, its version
 * (the log index that wrote it, the same everywhere), its length and its checksum. `docs/formats/image.md`.
 */
export interface ImageEntry {
  /** Internal key. */
  readonly key: Uint8Array;
  readonly record: ImageRecord;
}

export type ImageRecord = InlineRecord | StoredRecord;

/** A value that is too long to be in the index. */
export interface StoredRecord {
  readonly kind: 'stored';
  readonly version: number;
  readonly length: number;
  readonly crc: number;
}

/** What a value is asked for by, at any node. */
export interface ValueName {
  /** Internal key. */
  readonly key: Uint8Array;
  readonly version: number;
  readonly length: number;
  readonly crc: number;
}

const KIND_INLINE = 1;
const KIND_STORED = 2;

/** The same bytes on every node that has the entry, wherever its value is. */
export function encodeImageEntry(
  writer: ByteWriter,
  key: Uint8Array,
  record: LiveRecord | StoredRecord,
): void {
  writer.sized(key);
  if (record.kind === 'inline') {
    writer.u8(KIND_INLINE).varint(record.version).sized(record.value);
  } else {
    const { length, crc } = record.kind === 'stored' ? record : record.extent;
    writer.u8(KIND_STORED).varint(record.version).varint(length).u32(crc);
  }
}

/** Throws a MalformedBytesError, also where a length is none that a value has. */
export function decodeImageEntry(reader: ByteReader): ImageEntry {
  const key = reader.sized();
  const kind = reader.u8();
  const version = reader.varint();
  if (kind === KIND_INLINE) {
    const value = reader.sized();
    if (value.length > INLINE_VALUE_LIMIT_BYTES) throw new MalformedBytesError('too long inline');
    return { key, record: { kind: 'inline', version, value } };
  }
  if (kind !== KIND_STORED) throw new MalformedBytesError(`unknown kind of entry ${kind}`);
  const length = reader.varint();
  if (length <= INLINE_VALUE_LIMIT_BYTES || length > VALUE_SIZE_LIMIT_BYTES) {
    throw new MalformedBytesError(`no value has ${length} bytes`);
  }
  return { key, record: { kind: 'stored', version, length, crc: reader.u32() } };
}

export function encodeValueName(writer: ByteWriter, name: ValueName): void {
  writer.sized(name.key).varint(name.version).varint(name.length).u32(name.crc);
}

/** Throws a MalformedBytesError. */
export function decodeValueName(reader: ByteReader): ValueName {
  const name = { key: reader.sized(), version: reader.varint(), length: reader.varint() };
  if (name.length > VALUE_SIZE_LIMIT_BYTES) {
    throw new MalformedBytesError(`no value has ${name.length} bytes`);
  }
  return { ...name, crc: reader.u32() };
}

/** The entry's record with its value at a place of this node's own. */
export function placedRecord({ version }: StoredRecord, extent: Extent): ExtentRecord {
  return { kind: 'extent', version, extent };
}

/** Whether the index has exactly the value that is named. */
export function isNamed(
  record: LiveRecord | undefined,
  { version, length, crc }: Omit<ValueName, 'key'>,
): record is ExtentRecord {
  return (
    record?.kind === 'extent' &&
    record.version === version &&
    record.extent.length === length &&
    record.extent.crc === crc
  );
}
