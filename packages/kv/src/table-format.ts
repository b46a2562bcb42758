import type { Crc32c } from '@holdfast/bytes';
import { ByteReader, ByteWriter, MalformedBytesError } from '@holdfast/bytes';
import { checksumHolds, withChecksum } from './table-block.ts';

/** `docs/formats/table.md` has the byte tables. */
export const TABLE_FORMAT_VERSION = 2;
/** Has another filter, which is not used. */
export const TABLE_FORMAT_OTHER_FILTER = 1;
export const TABLE_HEADER_SIZE_BYTES = 16;
export const TABLE_FOOTER_SIZE_BYTES = 52;
/** A block is closed when it has passed this. */
export const BLOCK_SIZE_BYTES = 8192;

const HEADER_MAGIC = 0x4254_4648; // "HFTB"
const FOOTER_MAGIC = 0x4654_4648; // "HFTF"

/** A part of a table's file, its checksum included. */
export interface TableSection {
  readonly offset: number;
  readonly sizeBytes: number;
}

export interface TableFooter {
  readonly filter: TableSection;
  readonly index: TableSection;
  readonly properties: TableSection;
}

/** What a table says about itself. */
export interface TableProperties {
  readonly entryCount: number;
  readonly tombstoneCount: number;
  readonly blockCount: number;
  /** The state up to this log index is in the table and those before it. */
  readonly appliedIndex: number;
  /** Internal keys; empty where the table is. */
  readonly firstKey: Uint8Array;
  readonly lastKey: Uint8Array;
}

export function encodeTableHeader(tableId: number): Uint8Array {
  const writer = new ByteWriter(TABLE_HEADER_SIZE_BYTES);
  return writer.u32(HEADER_MAGIC).u32(TABLE_FORMAT_VERSION).u64(tableId).finish();
}

/** Throws a MalformedBytesError, or gives back the format version where it is a newer one. */
export function checkTableHeader(bytes: Uint8Array, tableId: number): number {
  const reader = new ByteReader(bytes);
  if (reader.u32() !== HEADER_MAGIC) throw new MalformedBytesError('not a sorted table');
  const version = reader.u32();
  const id = reader.u64();
  if (id !== tableId) throw new MalformedBytesError(`the file of table ${id}, not ${tableId}`);
  return version;
}

export function encodeTableFooter(footer: TableFooter, crc32c: Crc32c): Uint8Array {
  const writer = new ByteWriter(TABLE_FOOTER_SIZE_BYTES);
  for (const section of [footer.filter, footer.index, footer.properties]) {
    writer.u64(section.offset).u32(section.sizeBytes);
  }
  writer.u64(0).u32(FOOTER_MAGIC);
  return withChecksum(writer, crc32c);
}

/** Throws a MalformedBytesError. */
export function decodeTableFooter(bytes: Uint8Array, crc32c: Crc32c): TableFooter {
  if (!checksumHolds(bytes, crc32c)) throw new MalformedBytesError('wrong checksum of the footer');
  const reader = new ByteReader(bytes);
  const section = (): TableSection => ({ offset: reader.u64(), sizeBytes: reader.u32() });
  const footer = { filter: section(), index: section(), properties: section() };
  reader.u64();
  if (reader.u32() !== FOOTER_MAGIC) throw new MalformedBytesError('not the footer of a table');
  return footer;
}

export function encodeTableProperties(properties: TableProperties, crc32c: Crc32c): Uint8Array {
  const writer = new ByteWriter(256);
  writer.varint(properties.entryCount).varint(properties.tombstoneCount);
  writer.varint(properties.blockCount).varint(properties.appliedIndex);
  writer.sized(properties.firstKey).sized(properties.lastKey);
  return withChecksum(writer, crc32c);
}

/** Throws a MalformedBytesError. */
export function decodeTableProperties(bytes: Uint8Array): TableProperties {
  const reader = new ByteReader(bytes.subarray(0, bytes.length - 4));
  const properties = {
    entryCount: reader.varint(),
    tombstoneCount: reader.varint(),
    blockCount: reader.varint(),
    appliedIndex: reader.varint(),
    firstKey: reader.sized(),
    lastKey: reader.sized(),
  };
  if (reader.remaining !== 0) throw new MalformedBytesError('bytes left over in the properties');
  return properties;
}

/** Name of a table's file. */
export function tableFileName(tableId: number): string {
  return `${tableId.toString().padStart(12, '0')}.table`;
}

/** The id in a table's file name, or undefined where it is none. */
export function tableIdOf(fileName: string): number | undefined {
  const match = /^(\d{12,})\.table$/.exec(fileName);
  return match === null ? undefined : Number(match[1]);
}
