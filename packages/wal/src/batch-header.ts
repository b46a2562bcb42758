import type { Crc32c } from '@holdfast/bytes';
import { BATCH_MAGIC, getU64, type Nonce, setU64 } from './layout.ts';

export const BATCH_HEADER_BYTES = 64;

/** `mark`: no records, only `durableSeq`. `footer`: the record offsets of a sealed segment. */
export type BatchKind = 'records' | 'mark' | 'footer';

const KINDS: readonly BatchKind[] = ['records', 'mark', 'footer'];

export interface BatchHeader {
  readonly kind: BatchKind;
  /** One more than that of the batch before, over the whole log. */
  readonly sequence: number;
  /** The highest batch known to be synced when this one was issued: damage up to it is no torn tail. */
  readonly durableSeq: number;
  /** Index of the first record; where there is none, of the next one. */
  readonly firstIndex: number;
  /** Number of records. */
  readonly count: number;
  /** Bytes after the header, padding to the block not counted. */
  readonly byteLength: number;
  /** CRC-32C of the records' checksums in order; of all bytes for a footer; 0 for a mark. */
  readonly contentCrc: number;
  /** The chain of the batch before; of the first batch: the checksum of the segment header. */
  readonly previousChain: number;
}

/** Writes 64 bytes at `at` and returns the new chain: the checksum over this header, the old chain in it. */
export function encodeBatchHeader(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  nonce: Nonce,
  header: BatchHeader,
  crc32c: Crc32c,
): number {
  view.setUint32(at, BATCH_MAGIC, true);
  view.setUint32(at + 4, KINDS.indexOf(header.kind) + 1, true);
  view.setUint32(at + 8, nonce.low, true);
  view.setUint32(at + 12, nonce.high, true);
  setU64(view, at + 16, header.sequence);
  setU64(view, at + 24, header.durableSeq);
  setU64(view, at + 32, header.firstIndex);
  view.setUint32(at + 40, header.count, true);
  view.setUint32(at + 44, header.byteLength, true);
  view.setUint32(at + 48, header.contentCrc, true);
  view.setUint32(at + 52, header.previousChain, true);
  view.setUint32(at + 56, 0, true);
  const chain = crc32c(bytes, 0, at, at + 60);
  view.setUint32(at + 60, chain, true);
  return chain;
}

/** The batch header at `at`, or undefined where there is none of this segment. */
export function decodeBatchHeader(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  nonce: Nonce,
  crc32c: Crc32c,
): (BatchHeader & { readonly chain: number }) | undefined {
  if (at + BATCH_HEADER_BYTES > bytes.length) return undefined;
  if (view.getUint32(at, true) !== BATCH_MAGIC) return undefined;
  if (view.getUint32(at + 8, true) !== nonce.low) return undefined;
  if (view.getUint32(at + 12, true) !== nonce.high) return undefined;
  const chain = view.getUint32(at + 60, true);
  if (crc32c(bytes, 0, at, at + 60) !== chain) return undefined;
  const kind = KINDS[view.getUint32(at + 4, true) - 1];
  if (kind === undefined) return undefined;
  return {
    kind,
    sequence: getU64(view, at + 16),
    durableSeq: getU64(view, at + 24),
    firstIndex: getU64(view, at + 32),
    count: view.getUint32(at + 40, true),
    byteLength: view.getUint32(at + 44, true),
    contentCrc: view.getUint32(at + 48, true),
    previousChain: view.getUint32(at + 52, true),
    chain,
  };
}
