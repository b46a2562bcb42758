import { type Checksums, type Crc32c, InvariantError } from '@holdfast/bytes';
import { getU64, setU64 } from './layout.ts';

export const RECORD_HEADER_BYTES = 32;
/** Terms take six bytes in a record. */
const TERM_LIMIT = 0x1_0000_0000_0000;

const CRC_AT = 0;
const HEAD_LENGTH_AT = 4;
const BODY_LENGTH_AT = 8;
const BODY_CRC_AT = 12;
const INDEX_AT = 16;
const TERM_AT = 24;
const KIND_AT = 30;
const FLAGS_AT = 31;

/** Bytes that a record takes: header, head, body, and zeros up to a multiple of eight. */
export function recordSizeBytes(headLength: number, bodyLength: number): number {
  return Math.ceil((RECORD_HEADER_BYTES + headLength + bodyLength) / 8) * 8;
}

/**
 * Writes a record at `at`, where there must be room, and returns its checksum. One checksum call for a
 * record without body, one more (over exactly the body) for one with, unless it is given.
 */
export function encodeRecord(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  index: number,
  term: number,
  kind: number,
  head: Uint8Array,
  body: readonly Uint8Array[] | undefined,
  bodyLength: number,
  givenBodyCrc: number | undefined,
  { crc32c, bodyChecksum }: Checksums,
): number {
  const headEnd = at + RECORD_HEADER_BYTES + head.length;
  view.setUint32(at + HEAD_LENGTH_AT, head.length, true);
  view.setUint32(at + BODY_LENGTH_AT, bodyLength, true);
  setU64(view, at + INDEX_AT, index);
  // The kind and flags follow and overwrite the two high bytes.
  setU64(view, at + TERM_AT, term);
  view.setUint8(at + KIND_AT, kind);
  view.setUint8(at + FLAGS_AT, 0);
  bytes.set(head, at + RECORD_HEADER_BYTES);
  let end = headEnd;
  let bodyCrc = 0;
  if (body !== undefined && bodyLength > 0) {
    for (const part of body) {
      bytes.set(part, end);
      end += part.length;
    }
    bodyCrc = givenBodyCrc ?? bodyChecksum.of([bytes.subarray(headEnd, end)]);
  }
  // Why: buffers are reused, so what was here before must not reach the disk.
  const paddedEnd = at + recordSizeBytes(head.length, bodyLength);
  while (end < paddedEnd) bytes[end++] = 0;
  view.setUint32(at + BODY_CRC_AT, bodyCrc, true);
  const crc = crc32c(bytes, 0, at + HEAD_LENGTH_AT, headEnd);
  view.setUint32(at + CRC_AT, crc, true);
  return crc;
}

/** A record in a buffer, its header and head verified. `head` shares the buffer's memory. */
export interface DecodedRecord {
  readonly index: number;
  readonly term: number;
  readonly kind: number;
  readonly head: Uint8Array;
  /** Where the body begins in the buffer; the body itself is not verified, and may be beyond the end. */
  readonly bodyAt: number;
  readonly bodyLength: number;
  readonly bodyCrc: number;
  readonly crc: number;
  readonly sizeBytes: number;
}

/** The record at `at`, or undefined where its header or head is damaged or does not fit before `end`. */
export function decodeRecord(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  end: number,
  crc32c: Crc32c,
): DecodedRecord | undefined {
  if (at + RECORD_HEADER_BYTES > end) return undefined;
  const headLength = view.getUint32(at + HEAD_LENGTH_AT, true);
  const bodyAt = at + RECORD_HEADER_BYTES + headLength;
  if (bodyAt > end) return undefined;
  const crc = view.getUint32(at + CRC_AT, true);
  if (crc32c(bytes, 0, at + HEAD_LENGTH_AT, bodyAt) !== crc) return undefined;
  const bodyLength = view.getUint32(at + BODY_LENGTH_AT, true);
  return {
    index: getU64(view, at + INDEX_AT),
    term: recordTerm(view, at),
    kind: view.getUint8(at + KIND_AT),
    head: bytes.subarray(at + RECORD_HEADER_BYTES, bodyAt),
    bodyAt,
    bodyLength,
    bodyCrc: view.getUint32(at + BODY_CRC_AT, true),
    crc,
    sizeBytes: recordSizeBytes(headLength, bodyLength),
  };
}

/**
 * Verifies the record at `at`, body included, without making an object: for scans.
 * Returns its size, or 0 where it is damaged, does not end before `end` or has another index.
 */
export function verifyRecord(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  end: number,
  index: number,
  { crc32c, bodyChecksum }: Checksums,
): number {
  if (at + RECORD_HEADER_BYTES > end) return 0;
  const headLength = view.getUint32(at + HEAD_LENGTH_AT, true);
  const bodyLength = view.getUint32(at + BODY_LENGTH_AT, true);
  const sizeBytes = recordSizeBytes(headLength, bodyLength);
  if (sizeBytes > end - at || getU64(view, at + INDEX_AT) !== index) return 0;
  const bodyAt = at + RECORD_HEADER_BYTES + headLength;
  if (crc32c(bytes, 0, at + HEAD_LENGTH_AT, bodyAt) !== recordCrc(view, at)) return 0;
  if (bodyLength > 0) {
    const body = bytes.subarray(bodyAt, bodyAt + bodyLength);
    if (!bodyChecksum.holds([body], recordBodyCrc(view, at))) return 0;
  }
  return sizeBytes;
}

export function recordCrc(view: DataView, at: number): number {
  return view.getUint32(at + CRC_AT, true);
}

export function recordTerm(view: DataView, at: number): number {
  const high = view.getUint16(at + TERM_AT + 4, true);
  const low = view.getUint32(at + TERM_AT, true);
  return high === 0 ? low : high * 0x1_0000_0000 + low;
}

export function recordHeadLength(view: DataView, at: number): number {
  return view.getUint32(at + HEAD_LENGTH_AT, true);
}

export function recordBodyLength(view: DataView, at: number): number {
  return view.getUint32(at + BODY_LENGTH_AT, true);
}

export function recordIndex(view: DataView, at: number): number {
  return getU64(view, at + INDEX_AT);
}

/** Checksum of the body, as the record says it. */
export function recordBodyCrc(view: DataView, at: number): number {
  return view.getUint32(at + BODY_CRC_AT, true);
}

/** Checks what the format cannot hold. A programmer's error, so it stops the program. */
export function checkRecordFields(term: number, kind: number): void {
  // Why: the messages are made only when they are needed; this runs for every append.
  if (!(Number.isSafeInteger(term) && term >= 0 && term < TERM_LIMIT)) {
    throw new InvariantError(`not a term: ${term}`);
  }
  if ((kind & 0xff) !== kind) throw new InvariantError(`not a record kind: ${kind}`);
}
