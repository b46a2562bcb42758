import type { SegmentInfo, WalStats } from '@holdfast/wal';

export interface SegmentStatus extends SegmentInfo {
  /** Bytes that the index refers to. */
  readonly liveBytes: number;
}

/** A file of values that compaction moved. */
export interface ExtentFileStatus {
  /** As `Extent.segmentId` names it. */
  readonly segmentId: number;
  readonly path: string;
  readonly sizeBytes: number;
  readonly liveBytes: number;
}

/** Numbers for metrics and for people. */
export interface LocalStoreStatus {
  readonly revision: number;
  readonly flushedIndex: number;
  readonly memtableBytes: number;
  readonly tableCount: number;
  readonly tableBytes: number;
  /** Entries in tables; a key counts once for each table that has it. */
  readonly tableEntries: number;
  readonly segments: readonly SegmentStatus[];
  readonly extentFiles: readonly ExtentFileStatus[];
  readonly liveBytes: number;
  /** Bytes of records that nothing refers to, as far as they are not removed. */
  readonly deadBytes: number;
  readonly unflushedLogBytes: number;
  readonly flushes: number;
  readonly merges: number;
  /** Flushes whose thread died or could not be started; they were done on the main thread. */
  readonly flushThreadFailures: number;
  /** Merges whose thread died or could not be started; they were done on the main thread. */
  readonly mergeThreadFailures: number;
  /** Segments that compaction emptied, and bytes that it copied, since the start. */
  readonly rewrittenSegments: number;
  readonly movedBytes: number;
  /** Dead bytes in segments that compaction would rewrite now. */
  readonly compactionDebtBytes: number;
  /** Segments that compaction left as they are, since something in them is damaged. */
  readonly damagedSegments: number;
  readonly lastFlushMs: number;
  readonly totalFlushMs: number;
  /** Reads that found damaged bytes, in the log or in a table. */
  readonly validationErrors: number;
  readonly sessions: number;
  readonly openReaders: number;
  readonly waitingBytes: number;
  readonly blockCacheBytes: number;
  /** Memory that the store holds, the log's included. */
  readonly estimatedMemoryBytes: number;
  readonly wal: WalStats;
}
