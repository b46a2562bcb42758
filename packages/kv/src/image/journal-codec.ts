import type { ByteReader, ByteWriter, Crc32c } from '@holdfast/bytes';
import { MalformedBytesError, ByteWriter as Writer } from '@holdfast/bytes';
import type { WalIdentity } from '@holdfast/wal';
import type { ExtentListing } from '../extent-format.ts';
import type { LiveRecord } from '../index-record.ts';
import { RECORD_ALIGNMENT_BYTES } from '../manifest-codec.ts';

/** `docs/formats/image.md` has the byte tables. */
const JOURNAL_FORMAT_VERSION = 1;

const RECORD_MAGIC = 0x4a49_4648; // "HFIJ"
export const RECORD_HEADER_SIZE_BYTES = 8;
const RECORD_OVERHEAD_BYTES: number = RECORD_HEADER_SIZE_BYTES + 4;
/** Larger ones are damage: a record is written every few megabytes of values, or of entries. */
const RECORD_LIMIT_BYTES: number = 32 * 1024 * 1024;

const KIND_HEADER = 0;
const KIND_ENTRIES = 1;
const KIND_SEALED = 2;
const KIND_END = 3;
const KIND_INLINE = 1;
const KIND_EXTENT = 2;

/** What is received, and by whom. */
export interface JournalHeader {
  readonly identity: WalIdentity;
  /** Of the image. */
  readonly index: number;
  readonly term: number;
  /** Ids of extent files from here on are the journal's. */
  readonly firstFileId: number;
}

/** An entry with its place: one that was received and one that was there. */
export interface PlacedEntry {
  readonly key: Uint8Array;
  readonly record: LiveRecord;
}

/** One step of what was received. */
export type JournalStep =
  | { readonly kind: 'header'; readonly header: JournalHeader }
  | { readonly kind: 'entries'; readonly entries: readonly PlacedEntry[] }
  | { readonly kind: 'sealed'; readonly listing: ExtentListing }
  | { readonly kind: 'end' };

export function encodeHeader(header: JournalHeader): Uint8Array {
  const { identity, index, term, firstFileId } = header;
  const writer = new Writer(96).u8(KIND_HEADER).u8(JOURNAL_FORMAT_VERSION);
  writer.text(identity.clusterId).text(identity.nodeId);
  return writer.varint(index).varint(term).varint(firstFileId).finish();
}

/** Begins the payload of entries, each of which is added with `encodePlacedEntry`. */
export function beginEntries(writer: ByteWriter): ByteWriter {
  return writer.reset().u8(KIND_ENTRIES);
}

export function encodePlacedEntry(writer: ByteWriter, { key, record }: PlacedEntry): void {
  writer.sized(key);
  if (record.kind === 'inline') {
    writer.u8(KIND_INLINE).varint(record.version).sized(record.value);
    return;
  }
  const { segmentId, offset, length, crc } = record.extent;
  writer.u8(KIND_EXTENT).varint(record.version);
  writer.varint(segmentId).varint(offset).varint(length).u32(crc);
}

export function encodeSealed({ fileId, sizeBytes, footerCrc }: ExtentListing): Uint8Array {
  return new Writer(24).u8(KIND_SEALED).varint(fileId).varint(sizeBytes).u32(footerCrc).finish();
}

export function encodeEnd(): Uint8Array {
  return Uint8Array.of(KIND_END);
}

/** A payload as a record. `chain` is the checksum of the record before, 0 for the first: it is covered too. */
export function frameRecord(payload: Uint8Array, chain: number, crc32c: Crc32c): Uint8Array {
  const writer = new Writer(paddedSizeBytes(payload.length));
  writer.u32(RECORD_MAGIC).u32(payload.length).bytes(payload);
  const record = writer.u32(chainOf(payload, chain, crc32c)).finish();
  const padded = new Uint8Array(paddedSizeBytes(payload.length));
  padded.set(record);
  return padded;
}

/**
 * Bytes of a record, with zeros up to a multiple of 4096. Safety: a crash may garble whole sectors of the write in flight,
 * so no sector may hold a record that was acknowledged and part of the next.
 */
export function paddedSizeBytes(payloadSizeBytes: number): number {
  const sizeBytes = payloadSizeBytes + RECORD_OVERHEAD_BYTES;
  return Math.ceil(sizeBytes / RECORD_ALIGNMENT_BYTES) * RECORD_ALIGNMENT_BYTES;
}

/** The size of the payload that a record's first eight bytes promise; undefined where they are none. */
export function payloadSizeOf(head: Uint8Array): number | undefined {
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  if (head.byteLength < RECORD_HEADER_SIZE_BYTES || view.getUint32(0, true) !== RECORD_MAGIC) {
    return undefined;
  }
  const sizeBytes = view.getUint32(4, true);
  return sizeBytes > RECORD_LIMIT_BYTES ? undefined : sizeBytes;
}

export function chainOf(payload: Uint8Array, chain: number, crc32c: Crc32c): number {
  const before = new Writer(8).u32(chain).u32(crc32c(payload)).finish();
  return crc32c(before);
}

/** Reads a payload whose checksum was checked. Throws a MalformedBytesError. */
export function decodeStep(reader: ByteReader): JournalStep {
  const kind = reader.u8();
  if (kind === KIND_ENTRIES) {
    const entries: PlacedEntry[] = [];
    while (reader.remaining > 0) entries.push(decodePlacedEntry(reader));
    return { kind: 'entries', entries };
  }
  if (kind === KIND_SEALED) {
    const listing = {
      fileId: reader.varint(),
      sizeBytes: reader.varint(),
      footerCrc: reader.u32(),
    };
    return { kind: 'sealed', listing };
  }
  if (kind === KIND_END) return { kind: 'end' };
  if (kind !== KIND_HEADER) throw new MalformedBytesError(`unknown kind of record ${kind}`);
  const version = reader.u8();
  if (version !== JOURNAL_FORMAT_VERSION) throw new MalformedBytesError(`format ${version}`);
  const identity = { clusterId: reader.text(), nodeId: reader.text() };
  const index = reader.varint();
  const term = reader.varint();
  return { kind: 'header', header: { identity, index, term, firstFileId: reader.varint() } };
}

function decodePlacedEntry(reader: ByteReader): PlacedEntry {
  const key = reader.sized();
  const kind = reader.u8();
  const version = reader.varint();
  if (kind === KIND_INLINE)
    return { key, record: { kind: 'inline', version, value: reader.sized() } };
  if (kind !== KIND_EXTENT) throw new MalformedBytesError(`unknown kind of entry ${kind}`);
  const extent = {
    segmentId: reader.varint(),
    offset: reader.varint(),
    length: reader.varint(),
    crc: reader.u32(),
  };
  return { key, record: { kind: 'extent', version, extent } };
}
