import type { Checksums, Crc32c } from '@holdfast/bytes';
import { BATCH_HEADER_BYTES, type BatchHeader, decodeBatchHeader } from './batch-header.ts';
import { BatchSum } from './batch-sum.ts';
import type { FileWindow } from './file-window.ts';
import { BLOCK_BYTES, type Nonce, roundUpToBlock, viewOf } from './layout.ts';
import {
  recordBodyLength,
  recordCrc,
  recordHeadLength,
  recordSizeBytes,
  recordTerm,
  verifyRecord,
} from './record-codec.ts';
import type { SegmentHeader } from './segment-header.ts';

/** The least records whose sum is worth the call. */
const SUMMED_RECORDS = 8;

/** Where a scan starts. */
interface ScanStart {
  readonly nonce: Nonce;
  readonly position: number;
  readonly sequence: number;
  readonly chain: number;
  readonly nextIndex: number;
}

/** Right behind a segment's header, whose checksum `headerCrc` is the first link of the chain. */
export function scanStartOf(header: SegmentHeader, headerCrc: number): ScanStart {
  return {
    nonce: header.nonce,
    position: BLOCK_BYTES,
    sequence: header.firstSequence - 1,
    chain: headerCrc,
    nextIndex: header.baseIndex,
  };
}

/** Takes records that a scan has found whole, in order. */
export interface RecordRuns {
  /** So many of one term and size, one right behind the other; `payloadBytes` is that of each. */
  addRecords(
    offset: number,
    sizeBytes: number,
    count: number,
    index: number,
    term: number,
    payloadBytes: number,
  ): void;
}

/** What a scan hands over as it goes. Why no function for records: one of each scan's own is compiled for each. */
export interface ScanVisitor {
  readonly records?: RecordRuns;
  batch?(position: number, header: BatchHeader & { readonly chain: number }): void;
}

export interface ScanResult {
  /** Behind the last whole batch; of a sealed segment: where the footer begins. */
  readonly endPosition: number;
  /** Sequence of the last whole batch before the footer. */
  readonly sequence: number;
  /** Its chain. */
  readonly chain: number;
  /** What its header, or that of the footer behind it, says was durable; 0 where there is neither. */
  readonly durableSeq: number;
  readonly nextIndex: number;
  /** Whether the last whole batch is a mark: then all before it is known to be durable. */
  readonly endsWithMark: boolean;
  /** A whole footer was found at `endPosition`. */
  readonly footer: BatchHeader | undefined;
  /** Why the scan ended where it did, where that was not a footer or the end of the file. */
  readonly problem: string | undefined;
}

/** Reads batch after batch and verifies every checksum in place; ends at the first that is not whole. */
export async function scanSegment(
  window: FileWindow,
  start: ScanStart,
  checksums: Checksums,
  visitor: ScanVisitor,
): Promise<ScanResult> {
  let { position, sequence, chain, nextIndex } = start;
  const { crc32c } = checksums;
  const sum = new BatchSum(crc32c);
  let durableSeq = 0;
  let endsWithMark = false;
  let footer: BatchHeader | undefined;
  let problem: string | undefined;
  while (position < window.sizeBytes) {
    const head = window.held(position, BLOCK_BYTES) ?? (await window.bytes(position, BLOCK_BYTES));
    const headView = viewOf(head);
    const header = decodeBatchHeader(head, headView, 0, start.nonce, crc32c);
    problem = headerProblem(header, sequence + 1, chain, nextIndex);
    if (header === undefined || problem !== undefined) break;
    const length = BATCH_HEADER_BYTES + header.byteLength;
    // Safety: the length is bounded by the file before anything of that size is read.
    if (length > window.sizeBytes - position) {
      problem = 'the batch is longer than the file';
      break;
    }
    const bytes =
      length <= head.length
        ? head
        : (window.held(position, length) ?? (await window.bytes(position, length)));
    const view = bytes === head ? headView : viewOf(bytes);
    if (bytes.length < length || !contentIsWhole(bytes, view, header, checksums, sum)) {
      problem = `the content of batch ${header.sequence} does not match its checksums`;
      break;
    }
    visitor.batch?.(position, header);
    ({ durableSeq } = header);
    if (header.kind === 'footer') {
      footer = header;
      break;
    }
    if (visitor.records !== undefined) visitRecords(view, header, position, visitor.records);
    endsWithMark = header.kind === 'mark';
    position += roundUpToBlock(length);
    sequence = header.sequence;
    chain = header.chain;
    nextIndex += header.count;
  }
  return {
    endPosition: position,
    sequence,
    chain,
    durableSeq,
    nextIndex,
    endsWithMark,
    footer,
    problem,
  };
}

function headerProblem(
  header: BatchHeader | undefined,
  sequence: number,
  chain: number,
  nextIndex: number,
): string | undefined {
  if (header === undefined) return 'no whole batch header';
  if (header.sequence !== sequence) return `batch ${header.sequence} where ${sequence} must be`;
  if (header.previousChain !== chain)
    return `batch ${sequence} does not continue the batch before it`;
  if (header.firstIndex !== nextIndex) {
    return `batch ${sequence} begins with index ${header.firstIndex} where ${nextIndex} must be`;
  }
  return undefined;
}

/** Whether the bytes behind a batch header, which begin with it, are those that it was written with. */
export function contentIsWhole(
  bytes: Uint8Array,
  view: DataView,
  header: BatchHeader,
  checksums: Checksums,
  sum: BatchSum,
): boolean {
  const end = BATCH_HEADER_BYTES + header.byteLength;
  if (header.kind === 'mark') return header.byteLength === 0;
  if (header.kind === 'footer')
    return checksums.crc32c(bytes, 0, BATCH_HEADER_BYTES, end) === header.contentCrc;
  // A record has at least 32 bytes: a count that cannot be is refused before memory is taken for it.
  if (header.count * 32 > header.byteLength) return false;
  const { count, firstIndex } = header;
  const crcs = sum.crcsOf(count);
  const allHold =
    (count >= SUMMED_RECORDS &&
      sum.holds(bytes, view, BATCH_HEADER_BYTES, end, firstIndex, count, crcs)) ||
    eachHolds(bytes, view, end, firstIndex, count, crcs, checksums);
  return allHold && sum.crcOfCrcs(count) === header.contentCrc;
}

/** Verifies the records behind a batch header one by one, and puts their checksums into `crcs`. */
function eachHolds(
  bytes: Uint8Array,
  view: DataView,
  end: number,
  firstIndex: number,
  count: number,
  crcs: DataView,
  checksums: Checksums,
): boolean {
  let at: number = BATCH_HEADER_BYTES;
  for (let position = 0; position < count; position++) {
    const sizeBytes = verifyRecord(bytes, view, at, end, firstIndex + position, checksums);
    if (sizeBytes === 0) return false;
    crcs.setUint32(4 * position, recordCrc(view, at), true);
    at += sizeBytes;
  }
  return at === end;
}

/** Why runs: nearly all records of a batch are alike, and a call for each takes as long as its checksum. */
function visitRecords(
  view: DataView,
  header: BatchHeader,
  batchPosition: number,
  records: RecordRuns,
): void {
  let at: number = BATCH_HEADER_BYTES;
  let position = 0;
  while (position < header.count) {
    const first = at;
    const firstPosition = position;
    const term = recordTerm(view, first);
    const headLength = recordHeadLength(view, first);
    const bodyLength = recordBodyLength(view, first);
    const sizeBytes = recordSizeBytes(headLength, bodyLength);
    do {
      at += sizeBytes;
      position++;
    } while (
      position < header.count &&
      recordHeadLength(view, at) === headLength &&
      recordBodyLength(view, at) === bodyLength &&
      recordTerm(view, at) === term
    );
    const index = header.firstIndex + firstPosition;
    const count = position - firstPosition;
    records.addRecords(
      batchPosition + first,
      sizeBytes,
      count,
      index,
      term,
      headLength + bodyLength,
    );
  }
}

/** What lies behind the last whole batch. */
export interface TailFindings {
  /** End of the last byte that is not zero, or undefined where all are zero. */
  readonly dirtyEnd: number | undefined;
  /** A batch that proves that `sequence` was durable, and where. */
  readonly proof: { readonly position: number; readonly durableSeq: number } | undefined;
}

/**
 * Looks at everything from `position` on: is it a torn tail, or did acknowledged bytes rot?
 *
 * Safety: a batch is issued only when the one before it is synced, so a whole later header that says
 * `durableSeq >= sequence` proves that the batch missing here was acknowledged.
 *
 * Where the first `quietBytes` are zero, the rest is not looked at: two batches, the most that are written
 * at once, are never larger, so even if both vanished wholly their successor's header would show there.
 */
export async function examineTail(
  window: FileWindow,
  position: number,
  nonce: Nonce,
  sequence: number,
  quietBytes: number,
  crc32c: Crc32c,
): Promise<TailFindings> {
  const pieceBytes = 1024 * 1024;
  let dirtyEnd: number | undefined;
  for (let at = position; at < window.sizeBytes; at += pieceBytes) {
    if (dirtyEnd === undefined && at - position >= quietBytes) break;
    const piece = await window.bytes(at, pieceBytes);
    const view = viewOf(piece);
    for (let block = 0; block < piece.length; block += BLOCK_BYTES) {
      const header = decodeBatchHeader(piece, view, block, nonce, crc32c);
      if (header !== undefined && header.durableSeq >= sequence) {
        return { dirtyEnd, proof: { position: at + block, durableSeq: header.durableSeq } };
      }
    }
    const end = lastNonZero(piece);
    if (end > 0) dirtyEnd = at + end;
  }
  return { dirtyEnd, proof: undefined };
}

/** Length of `bytes` without its trailing zeros. */
function lastNonZero(bytes: Uint8Array): number {
  let end = bytes.length;
  if (bytes.byteOffset % 4 === 0) {
    // Four bytes at a time: most of a tail is zero.
    const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2);
    let word = words.length;
    if (end === word * 4) {
      while (word > 0 && words[word - 1] === 0) word--;
      end = word * 4;
    }
  }
  while (end > 0 && bytes[end - 1] === 0) end--;
  return end;
}
