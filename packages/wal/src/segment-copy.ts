import type { Env, FileHandle } from '@holdfast/env';
import { type BatchHeader, encodeBatchHeader } from './batch-header.ts';
import { corruption, newerFormat } from './damage.ts';
import { FileWindow } from './file-window.ts';
import { BLOCK_BYTES, viewOf } from './layout.ts';
import { decodeTrailer, stampTrailer } from './segment-footer.ts';
import { decodeSegmentHeader, encodeSegmentHeader, type SegmentHeader } from './segment-header.ts';
import { type ScanResult, scanSegment, scanStartOf } from './segment-scan.ts';
import type { WalIdentity } from './wal.ts';

const PIECE_BYTES: number = 256 * BLOCK_BYTES;

/** Where a segment ends, for the header of the one that follows it. */
export interface SegmentEnd {
  readonly segmentId: number;
  readonly chain: number;
}

export interface SegmentCopyRequest {
  readonly env: Env;
  /** A segment's file; it may be written to meanwhile, behind what is copied. */
  readonly source: string;
  /** A file that is not there yet; without it the source is only checked. */
  readonly target?: string;
  /** What the copy is stamped with. Default: what the source is. */
  readonly identity?: WalIdentity;
  /** The copy of the segment before, where there is one: the copy's header continues its chain. */
  readonly previous?: SegmentEnd | undefined;
  /**
   * Ends the copy, unsealed, behind the batch with this record: its index was durable at the end of a batch.
   * Default: the whole segment, which is sealed or ends with its last batch.
   */
  readonly upTo?: number;
}

export interface SegmentCopy extends SegmentEnd {
  readonly baseIndex: number;
  /** `baseIndex - 1` where there is no record. */
  readonly lastIndex: number;
  readonly sealed: boolean;
  readonly sizeBytes: number;
}

interface Batch {
  readonly position: number;
  readonly header: BatchHeader;
}

/**
 * Copies a segment, every checksum checked, under another identity if asked: then the header and with it the chain
 * through all batch headers are new, and every record keeps its place and bytes, so that extents stay true.
 * Durability: the copy is synced, its name is not. WAL_CORRUPTION, WAL_NEWER_FORMAT, `FileError`.
 */
export async function copySegment(request: SegmentCopyRequest): Promise<SegmentCopy> {
  const { env, source } = request;
  const handle = await env.files.open(source, 'read');
  let window: FileWindow | undefined;
  try {
    window = new FileWindow(handle, await handle.sizeBytes());
    const block = await window.bytes(0, BLOCK_BYTES);
    const decoded = decodeSegmentHeader(block, env.crc32c);
    if (decoded === 'newer') throw newerFormat(source);
    if (decoded === 'damaged') {
      throw corruption(source, 0, 'the segment header does not match its checksum');
    }
    const { header, crc } = decoded;
    const batches: Batch[] = [];
    const start = scanStartOf(header, crc);
    const scan = await scanSegment(window, start, env, {
      batch: (position, batch) => batches.push({ position, header: batch }),
    });
    const found = await endOf(request, header, scan, window, batches);
    const chain = await writeCopy(request, header, handle, found);
    const { lastIndex, sealed, sizeBytes } = found;
    const { segmentId, baseIndex } = header;
    return { segmentId, baseIndex, lastIndex, sealed, sizeBytes, chain };
  } finally {
    await window?.close();
    await handle.close();
  }
}

interface Content {
  readonly batches: readonly Batch[];
  readonly lastIndex: number;
  readonly sealed: boolean;
  readonly sizeBytes: number;
}

/** What of the file is copied. Throws where it is less than there must be. */
async function endOf(
  { env, source, upTo }: SegmentCopyRequest,
  header: SegmentHeader,
  scan: ScanResult,
  window: FileWindow,
  batches: readonly Batch[],
): Promise<Content> {
  const { endPosition, nextIndex, footer, problem } = scan;
  if (upTo !== undefined) {
    const kept = batches.filter(
      ({ header: batch }) => batch.kind !== 'footer' && batch.firstIndex + batch.count - 1 <= upTo,
    );
    const last = kept.findLast(({ header: batch }) => batch.count > 0)?.header;
    const lastIndex = last === undefined ? header.baseIndex - 1 : last.firstIndex + last.count - 1;
    if (lastIndex !== upTo) {
      throw corruption(source, endPosition, `record ${upTo} is not the last of a whole batch`);
    }
    const next = batches[kept.length]?.position ?? endPosition;
    return { batches: kept, lastIndex, sealed: false, sizeBytes: next };
  }
  const lastIndex = nextIndex - 1;
  if (footer === undefined) {
    if (endPosition !== window.sizeBytes) {
      throw corruption(source, endPosition, problem ?? 'something follows the last batch');
    }
    return { batches, lastIndex, sealed: false, sizeBytes: endPosition };
  }
  const block = await window.bytes(window.sizeBytes - BLOCK_BYTES, BLOCK_BYTES);
  const trailer = decodeTrailer(block, header.nonce, env.crc32c);
  if (trailer?.footerOffset !== endPosition || trailer.finalChain !== scan.chain) {
    throw corruption(source, endPosition, 'the trailer does not match the batches');
  }
  return { batches, lastIndex, sealed: true, sizeBytes: window.sizeBytes };
}

/** Writes the target, where there is one, and gives the chain of the last batch before the footer. */
async function writeCopy(
  request: SegmentCopyRequest,
  header: SegmentHeader,
  source: FileHandle,
  content: Content,
): Promise<number> {
  const { env, target } = request;
  const block = new Uint8Array(BLOCK_BYTES);
  let chain = encodeSegmentHeader(block, stamped(request, header), env.crc32c);
  let next = 0;
  const stamp = (piece: Uint8Array, at: number): void => {
    const view = viewOf(piece);
    for (let batch = content.batches[next]; batch !== undefined; batch = content.batches[next]) {
      const place = batch.position - at;
      if (place >= piece.length) break;
      const restamped = { ...batch.header, previousChain: chain };
      const ended = encodeBatchHeader(piece, view, place, header.nonce, restamped, env.crc32c);
      if (batch.header.kind !== 'footer') chain = ended;
      next++;
    }
    if (content.sealed && at + piece.length === content.sizeBytes) {
      stampTrailer(piece.subarray(piece.length - BLOCK_BYTES), chain, env.crc32c);
    }
  };
  const file = target === undefined ? undefined : await env.files.open(target, 'create');
  try {
    await file?.write(block, 0);
    for (let at = BLOCK_BYTES; at < content.sizeBytes; at += PIECE_BYTES) {
      const piece = new Uint8Array(Math.min(PIECE_BYTES, content.sizeBytes - at));
      if ((await source.read(piece, at)) < piece.length) {
        throw corruption(request.source, at, 'the file has become shorter');
      }
      stamp(piece, at);
      await file?.write(piece, at);
    }
    await file?.sync();
  } finally {
    await file?.close();
  }
  return chain;
}

function stamped(request: SegmentCopyRequest, header: SegmentHeader): SegmentHeader {
  const { identity = header.identity, previous } = request;
  const follows = previous !== undefined && previous.segmentId === header.previousSegmentId;
  return { ...header, identity, previousChain: follows ? previous.chain : header.previousChain };
}
