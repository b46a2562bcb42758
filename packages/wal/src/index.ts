/**
 * `@holdfast/wal`: the write-ahead log. Segments, records, checksums, group commit, recovery; four
 * operations (append, read, truncate, release) and metadata, nothing else. It stands on `bytes` and `env`
 * and knows neither Raft nor keys.
 *
 * @example
 * const wal = await openWal({ env, directory: 'data/wal', identity });
 * const { index } = wal.append({ term: term(1), kind: 1, head: utf8('hello') });
 * await wal.whenDurable(index); // survives a power cut from here on
 *
 * Source: packages/wal/src, format in docs/formats/wal.md
 */

export type { WalErrorCode } from './errors.ts';
export { WalError } from './errors.ts';
export { parseSegmentName, segmentName } from './file-names.ts';
export { Histogram, type HistogramCounts } from './histogram.ts';
export type { WalFinding } from './inspect.ts';
export { describeFinding, inspectSegment, inspectWal } from './inspect.ts';
export { openWal } from './open-wal.ts';
export type { ReadableFile } from './read-handles.ts';
export { ReadHandles } from './read-handles.ts';
export type { RestoredState } from './restored-state.ts';
export { writeRestoredState } from './restored-state.ts';
export type { SegmentCopy, SegmentCopyRequest, SegmentEnd } from './segment-copy.ts';
export { copySegment } from './segment-copy.ts';
export type { NewestSegment } from './state-slots.ts';
export type {
  Appended,
  AppendRequest,
  Extent,
  HardState,
  RecoveryReport,
  SegmentInfo,
  Wal,
  WalIdentity,
  WalOptions,
  WalRecord,
  WalRecordWithBody,
  WalStats,
} from './wal.ts';
