import type { Crc32c } from '@holdfast/bytes';
import { fromHex, toHex } from '@holdfast/bytes';
import {
  BLOCK_BYTES,
  FORMAT_VERSION,
  getU64,
  type Nonce,
  SEGMENT_MAGIC,
  setU64,
  viewOf,
} from './layout.ts';
import type { WalIdentity } from './wal.ts';

/** The first block of a segment. */
export interface SegmentHeader {
  readonly identity: WalIdentity;
  readonly segmentId: number;
  readonly nonce: Nonce;
  /** Index of the first record; records at or above it in older segments are void. */
  readonly baseIndex: number;
  /** Term of the record at `baseIndex - 1`; 0 where there is none. */
  readonly termBefore: number;
  /** Sequence of the first batch. */
  readonly firstSequence: number;
  /** Id of the segment before, and the chain of its last batch before the footer; 0 and 0 for the first. */
  readonly previousSegmentId: number;
  readonly previousChain: number;
  readonly createdMs: number;
  /** The header takes records of older segments out of the log. */
  readonly truncates: boolean;
  /** The log begins with this segment: what older ones hold is no part of it. */
  readonly restarts: boolean;
}

export type HeaderProblem = 'damaged' | 'newer';

const FLAG_TRUNCATES = 1;
const FLAG_RESTARTS = 2;
const CRC_AT = BLOCK_BYTES - 4;

/** Writes the header into the first block of `block` (which must be zero) and returns its checksum. */
export function encodeSegmentHeader(
  block: Uint8Array,
  header: SegmentHeader,
  crc32c: Crc32c,
): number {
  const view = viewOf(block);
  view.setUint32(0, SEGMENT_MAGIC, true);
  view.setUint16(4, FORMAT_VERSION, true);
  view.setUint16(6, flagsOf(header), true);
  block.set(fromHex(header.identity.clusterId), 8);
  block.set(fromHex(header.identity.nodeId), 24);
  view.setUint32(40, header.nonce.low, true);
  view.setUint32(44, header.nonce.high, true);
  view.setUint32(48, header.segmentId, true);
  view.setUint32(52, header.previousSegmentId, true);
  setU64(view, 56, header.baseIndex);
  setU64(view, 64, header.termBefore);
  setU64(view, 72, header.firstSequence);
  setU64(view, 80, header.createdMs);
  view.setUint32(88, header.previousChain, true);
  const crc = crc32c(block.subarray(0, CRC_AT));
  view.setUint32(CRC_AT, crc, true);
  return crc;
}

/**
 * Reads a header. Its checksum is in the last four bytes of the block in every format version, so a
 * newer format and a damaged block are told apart.
 */
export function decodeSegmentHeader(
  block: Uint8Array,
  crc32c: Crc32c,
): { readonly header: SegmentHeader; readonly crc: number } | HeaderProblem {
  if (block.length < BLOCK_BYTES) return 'damaged';
  const view = viewOf(block);
  const crc = view.getUint32(CRC_AT, true);
  if (view.getUint32(0, true) !== SEGMENT_MAGIC) return 'damaged';
  if (crc32c(block.subarray(0, CRC_AT)) !== crc) return 'damaged';
  if (view.getUint16(4, true) > FORMAT_VERSION) return 'newer';
  const header: SegmentHeader = {
    identity: { clusterId: toHex(block.subarray(8, 24)), nodeId: toHex(block.subarray(24, 40)) },
    nonce: { low: view.getUint32(40, true), high: view.getUint32(44, true) },
    segmentId: view.getUint32(48, true),
    previousSegmentId: view.getUint32(52, true),
    baseIndex: getU64(view, 56),
    termBefore: getU64(view, 64),
    firstSequence: getU64(view, 72),
    createdMs: getU64(view, 80),
    previousChain: view.getUint32(88, true),
    truncates: (view.getUint16(6, true) & FLAG_TRUNCATES) !== 0,
    restarts: (view.getUint16(6, true) & FLAG_RESTARTS) !== 0,
  };
  const sane =
    header.baseIndex >= 1 &&
    header.termBefore >= 0 &&
    header.firstSequence >= 1 &&
    header.createdMs >= 0;
  return sane ? { header, crc } : 'damaged';
}

function flagsOf({ truncates, restarts }: SegmentHeader): number {
  return (truncates ? FLAG_TRUNCATES : 0) | (restarts ? FLAG_RESTARTS : 0);
}
