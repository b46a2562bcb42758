import type { Crc32c } from '@holdfast/bytes';
import { ByteReader, ByteWriter, MalformedBytesError } from '@holdfast/bytes';
import { checksumHolds, withChecksum } from './table-block.ts';

/** `docs/formats/extents.md` has the byte tables. */
export const EXTENTS_FORMAT_VERSION = 1;
export const EXTENTS_HEADER_SIZE_BYTES = 16;
export const EXTENTS_FOOTER_SIZE_BYTES = 44;

const HEADER_MAGIC = 0x5845_4648; // "HFEX"
const FOOTER_MAGIC = 0x4645_4648; // "HFEF"

/**
 * Segment ids of extent files begin here. Why: the wal's ids are u32, so an extent in the index says by its id
 * alone whose file it is in.
 */
const FIRST_SEGMENT_ID = 0x1_0000_0000;

/** An extent file as the MANIFEST lists it. */
export interface ExtentListing {
  readonly fileId: number;
  readonly sizeBytes: number;
  /** The last four bytes of the file. They cover the directory, and so tell it from any other file. */
  readonly footerCrc: number;
}

/** A value that an extent file holds: whose it was when it was copied, and its bytes' checksum. */
export interface DirectoryEntry {
  /** Internal key. */
  readonly key: Uint8Array;
  readonly offset: number;
  readonly length: number;
  readonly crc: number;
}

export interface ExtentsFooter {
  readonly fileId: number;
  readonly directoryOffset: number;
  readonly directorySizeBytes: number;
  readonly directoryCrc: number;
  readonly count: number;
}

/** The id by which extents in the index name the file. */
export function segmentIdOfFile(fileId: number): number {
  return FIRST_SEGMENT_ID + fileId;
}

/** The extent file that a segment id names; undefined where it is a segment of the wal. */
export function fileIdOfSegment(segmentId: number): number | undefined {
  return segmentId < FIRST_SEGMENT_ID ? undefined : segmentId - FIRST_SEGMENT_ID;
}

export function extentsFileName(fileId: number): string {
  return `${fileId.toString().padStart(12, '0')}.extents`;
}

/** The id in an extent file's name, or undefined where it is none. */
export function fileIdOf(fileName: string): number | undefined {
  const match = /^(\d{12,})\.extents$/.exec(fileName);
  return match === null ? undefined : Number(match[1]);
}

export function encodeExtentsHeader(fileId: number): Uint8Array {
  const writer = new ByteWriter(EXTENTS_HEADER_SIZE_BYTES);
  return writer.u32(HEADER_MAGIC).u32(EXTENTS_FORMAT_VERSION).u64(fileId).finish();
}

/** Throws a MalformedBytesError, or gives back the format version where it is a newer one. */
export function checkExtentsHeader(bytes: Uint8Array, fileId: number): number {
  const reader = new ByteReader(bytes);
  if (reader.u32() !== HEADER_MAGIC) throw new MalformedBytesError('not an extent file');
  const version = reader.u32();
  const id = reader.u64();
  if (id !== fileId) throw new MalformedBytesError(`the file of extents ${id}, not ${fileId}`);
  return version;
}

export function encodeExtentsFooter(footer: ExtentsFooter, crc32c: Crc32c): Uint8Array {
  const writer = new ByteWriter(EXTENTS_FOOTER_SIZE_BYTES);
  writer.u64(footer.fileId).u64(footer.directoryOffset).u64(footer.count);
  writer.u64(footer.directorySizeBytes).u32(footer.directoryCrc).u32(FOOTER_MAGIC);
  return withChecksum(writer, crc32c);
}

/** Throws a MalformedBytesError. */
export function decodeExtentsFooter(bytes: Uint8Array, crc32c: Crc32c): ExtentsFooter {
  if (!checksumHolds(bytes, crc32c)) throw new MalformedBytesError('wrong checksum of the footer');
  const reader = new ByteReader(bytes);
  const fileId = reader.u64();
  const directoryOffset = reader.u64();
  const count = reader.u64();
  const directorySizeBytes = reader.u64();
  const directoryCrc = reader.u32();
  if (reader.u32() !== FOOTER_MAGIC) throw new MalformedBytesError('not the footer of extents');
  return { fileId, directoryOffset, directorySizeBytes, directoryCrc, count };
}

/** Values lie back to back behind the header, so that a directory entry needs no offset. */
export function encodeDirectoryEntry(writer: ByteWriter, entry: DirectoryEntry): void {
  writer.sized(entry.key).varint(entry.length).u32(entry.crc);
}

/** The entries of a directory whose checksum was checked. Throws a MalformedBytesError. */
export function decodeDirectory(bytes: Uint8Array, count: number): DirectoryEntry[] {
  const reader = new ByteReader(bytes);
  const entries: DirectoryEntry[] = [];
  let offset = EXTENTS_HEADER_SIZE_BYTES;
  for (let position = 0; position < count; position++) {
    const entry = { key: reader.sized(), offset, length: reader.varint(), crc: reader.u32() };
    entries.push(entry);
    offset += entry.length;
  }
  if (reader.remaining !== 0) throw new MalformedBytesError('bytes left over in the directory');
  return entries;
}
