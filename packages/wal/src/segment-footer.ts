import type { Crc32c } from '@holdfast/bytes';
import { BATCH_HEADER_BYTES, encodeBatchHeader } from './batch-header.ts';
import {
  BLOCK_BYTES,
  FORMAT_VERSION,
  getU64,
  type Nonce,
  roundUpToBlock,
  setU64,
  TRAILER_MAGIC,
  viewOf,
} from './layout.ts';
import { OffsetList } from './offset-list.ts';
import type { Segment, TermRun } from './segment.ts';

/** The last block of a sealed segment: all that an open needs to know of it. */
export interface Trailer {
  readonly nonce: Nonce;
  readonly segmentId: number;
  readonly baseIndex: number;
  readonly recordCount: number;
  readonly payloadBytes: number;
  readonly footerOffset: number;
  readonly footerByteLength: number;
  readonly footerCrc: number;
  /** Sequence of the footer batch. */
  readonly sequence: number;
  /** Chain of the last batch before the footer: what the next segment's header must name. */
  readonly finalChain: number;
  /** Undefined where they are too many for the block: then they are in the footer. */
  readonly termRuns: readonly TermRun[] | undefined;
}

const RUN_BYTES = 16;
const RUNS_AT = 96;
const CRC_AT = BLOCK_BYTES - 4;
const RUNS_IN_TRAILER = Math.floor((CRC_AT - RUNS_AT) / RUN_BYTES);
const RUNS_ELSEWHERE = 0xffff_ffff;

/** Bytes that a footer of so many records and runs takes on disk, the trailer's block included. */
export function sealSizeBytes(recordCount: number, runCount: number): number {
  return roundUpToBlock(BATCH_HEADER_BYTES + footerByteLength(recordCount, runCount)) + BLOCK_BYTES;
}

function footerByteLength(recordCount: number, runCount: number): number {
  return runsAt(recordCount) + RUN_BYTES * runCount;
}

function runsAt(recordCount: number): number {
  return Math.ceil(recordCount / 2) * 8;
}

/**
 * Writes footer batch and trailer of `segment` into `target`, which has `sealSizeBytes` and is zero.
 * `sequence` is the footer's own; every batch before it is durable.
 */
export function encodeSeal(
  target: Uint8Array,
  segment: Segment,
  offsets: OffsetList,
  sequence: number,
  previousChain: number,
  crc32c: Crc32c,
): void {
  const view = viewOf(target);
  const { recordCount, termRuns } = segment;
  const byteLength = footerByteLength(recordCount, termRuns.length);
  for (let position = 0; position < recordCount; position++) {
    view.setUint32(BATCH_HEADER_BYTES + 4 * position, offsets.at(position), true);
  }
  writeRuns(view, BATCH_HEADER_BYTES + runsAt(recordCount), termRuns);
  const footerCrc = crc32c(target.subarray(BATCH_HEADER_BYTES, BATCH_HEADER_BYTES + byteLength));
  encodeBatchHeader(
    target,
    view,
    0,
    segment.nonce,
    {
      kind: 'footer',
      sequence,
      durableSeq: sequence - 1,
      firstIndex: segment.lastWrittenIndex + 1,
      count: 0,
      byteLength,
      contentCrc: footerCrc,
      previousChain,
    },
    crc32c,
  );
  encodeTrailer(target.subarray(target.length - BLOCK_BYTES), crc32c, {
    nonce: segment.nonce,
    segmentId: segment.id,
    baseIndex: segment.baseIndex,
    recordCount,
    payloadBytes: segment.payloadBytes,
    footerOffset: segment.endPosition,
    footerByteLength: byteLength,
    footerCrc,
    sequence,
    finalChain: previousChain,
    termRuns,
  });
}

function encodeTrailer(block: Uint8Array, crc32c: Crc32c, trailer: Required<Trailer>): void {
  const view = viewOf(block);
  const runs = trailer.termRuns ?? [];
  view.setUint32(0, TRAILER_MAGIC, true);
  view.setUint16(4, FORMAT_VERSION, true);
  view.setUint32(8, trailer.nonce.low, true);
  view.setUint32(12, trailer.nonce.high, true);
  view.setUint32(16, trailer.segmentId, true);
  view.setUint32(20, trailer.recordCount, true);
  setU64(view, 24, trailer.baseIndex);
  setU64(view, 32, trailer.payloadBytes);
  setU64(view, 40, trailer.footerOffset);
  view.setUint32(48, trailer.footerByteLength, true);
  view.setUint32(52, trailer.footerCrc, true);
  setU64(view, 56, trailer.sequence);
  view.setUint32(64, trailer.finalChain, true);
  const fits = runs.length <= RUNS_IN_TRAILER;
  view.setUint32(68, fits ? runs.length : RUNS_ELSEWHERE, true);
  if (fits) writeRuns(view, RUNS_AT, runs);
  view.setUint32(CRC_AT, crc32c(block.subarray(0, CRC_AT)), true);
}

/** Names another chain in the trailer that `block` holds. */
export function stampTrailer(block: Uint8Array, finalChain: number, crc32c: Crc32c): void {
  const view = viewOf(block);
  view.setUint32(64, finalChain, true);
  view.setUint32(CRC_AT, crc32c(block.subarray(0, CRC_AT)), true);
}

/** The trailer in a file's last block, or undefined where there is none of the segment with `nonce`. */
export function decodeTrailer(
  block: Uint8Array,
  nonce: Nonce,
  crc32c: Crc32c,
): Trailer | undefined {
  const view = viewOf(block);
  if (view.getUint32(0, true) !== TRAILER_MAGIC) return undefined;
  if (crc32c(block.subarray(0, CRC_AT)) !== view.getUint32(CRC_AT, true)) return undefined;
  if (view.getUint32(8, true) !== nonce.low || view.getUint32(12, true) !== nonce.high)
    return undefined;
  const runCount = view.getUint32(68, true);
  if (runCount !== RUNS_ELSEWHERE && runCount > RUNS_IN_TRAILER) return undefined;
  return {
    nonce,
    segmentId: view.getUint32(16, true),
    recordCount: view.getUint32(20, true),
    baseIndex: getU64(view, 24),
    payloadBytes: getU64(view, 32),
    footerOffset: getU64(view, 40),
    footerByteLength: view.getUint32(48, true),
    footerCrc: view.getUint32(52, true),
    sequence: getU64(view, 56),
    finalChain: view.getUint32(64, true),
    termRuns: runCount === RUNS_ELSEWHERE ? undefined : readRuns(view, RUNS_AT, runCount),
  };
}

/** The content of a footer batch, or undefined where its checksum or its lengths do not agree. */
export function decodeFooter(
  content: Uint8Array,
  recordCount: number,
  contentCrc: number,
  crc32c: Crc32c,
): { readonly offsets: OffsetList; readonly termRuns: TermRun[] } | undefined {
  const start = runsAt(recordCount);
  if (content.length < start || (content.length - start) % RUN_BYTES !== 0) return undefined;
  if (crc32c(content) !== contentCrc) return undefined;
  const view = viewOf(content);
  const offsets = new Uint32Array(recordCount);
  for (let position = 0; position < recordCount; position++) {
    offsets[position] = view.getUint32(4 * position, true);
  }
  const runCount = (content.length - start) / RUN_BYTES;
  return {
    offsets: new OffsetList(offsets, recordCount),
    termRuns: readRuns(view, start, runCount),
  };
}

function writeRuns(view: DataView, at: number, runs: readonly TermRun[]): void {
  for (const [position, run] of runs.entries()) {
    setU64(view, at + RUN_BYTES * position, run.firstIndex);
    setU64(view, at + RUN_BYTES * position + 8, run.term);
  }
}

function readRuns(view: DataView, at: number, count: number): TermRun[] {
  return Array.from({ length: count }, (_, position) => ({
    firstIndex: getU64(view, at + RUN_BYTES * position),
    term: getU64(view, at + RUN_BYTES * position + 8),
  }));
}
