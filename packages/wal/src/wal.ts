import type { LogIndex, Term } from '@holdfast/bytes';
import type { Env } from '@holdfast/env';
import type { HistogramCounts } from './histogram.ts';

/** Whose log this is: stamped into every segment, checked at every open. 32 hexadecimal digits each. */
export interface WalIdentity {
  readonly clusterId: string;
  readonly nodeId: string;
}

export interface WalOptions {
  readonly env: Env;
  /** The log's own folder; made if it is not there. Nothing else may write in it. */
  readonly directory: string;
  readonly identity: WalIdentity;
  /** A segment is sealed when the next batch would pass this. Multiple of 4096. Default 64 MiB. */
  readonly segmentSizeBytes?: number;
  /** Largest head + body of a record. Default 2 MiB. */
  readonly recordSizeLimitBytes?: number;
  /** Most bytes of records written and synced at once. Default 4 MiB. */
  readonly batchSizeLimitBytes?: number;
  /** Appended but not yet durable bytes beyond which `append` refuses. Default 16 MiB. */
  readonly pendingSizeLimitBytes?: number;
  /** Budget of the cache of recent payloads. Default 32 MiB. */
  readonly cacheSizeBytes?: number;
  /**
   * Whether the next segment's file is filled with zeros before it is needed: a sync is then half as
   * long, since no metadata changes. Default true.
   */
  readonly preallocate?: boolean;
  /**
   * Most bytes of files that are filled so while the log is idle for a second, for a burst as large as the largest before;
   * never more than an eighth of what is free. Default 256 MiB; 0 fills none but the next one, beside small batches.
   */
  readonly spareSizeLimitBytes?: number;
}

/** What Raft needs to remember. Saved in two alternating checksummed slots, always synced. */
export interface HardState {
  readonly term: Term;
  /** Node id, or undefined where this node has not voted in `term`. */
  readonly votedFor: string | undefined;
  /** A hint: never above what is durable, and never trusted for more than a faster start. */
  readonly commitIndex: LogIndex;
}

/** Bytes that stay where the log wrote them. */
export interface Extent {
  /** Ids grow and are never used twice. */
  readonly segmentId: number;
  /** Byte offset in the segment's file. */
  readonly offset: number;
  /** In bytes. */
  readonly length: number;
  /** `BodyChecksum` of exactly these bytes. */
  readonly crc: number;
}

export interface AppendRequest {
  readonly term: Term;
  /** The caller's record type, 0 to 255. */
  readonly kind: number;
  /** Structured bytes, read back by `replay`. */
  readonly head: Uint8Array;
  /** Bulk bytes, in order; addressed by an extent and not read by `replay`. */
  readonly body?: readonly Uint8Array[];
  /** `BodyChecksum` of the whole body, for a caller that knows it: then it is not computed again. Trusted. */
  readonly bodyCrc?: number | undefined;
  /** If given, must be `lastIndex + 1`; else IndexGapError. For callers that were told an index. */
  readonly index?: LogIndex;
}

export interface Appended {
  readonly index: LogIndex;
  /** Where the body is; undefined where there is none. */
  readonly body: Extent | undefined;
}

export interface WalRecord extends Appended {
  readonly term: Term;
  readonly kind: number;
  readonly head: Uint8Array;
}

export interface WalRecordWithBody extends WalRecord {
  /** Empty where there is none. */
  readonly bodyBytes: Uint8Array;
}

export interface SegmentInfo {
  readonly segmentId: number;
  readonly path: string;
  readonly firstIndex: LogIndex;
  /** `firstIndex - 1` where the segment holds no record. */
  readonly lastIndex: LogIndex;
  /** Size of the file, padding and preallocated rest included. */
  readonly sizeBytes: number;
  /** Bytes of record heads and bodies. */
  readonly payloadBytes: number;
  readonly sealed: boolean;
  /** Its records are all released: readable by extent, no longer part of the log. */
  readonly released: boolean;
  /** Wall-clock milliseconds at which the segment was made. */
  readonly createdMs: number;
}

/** What `openWal` found and did. For the startup report. */
export interface RecoveryReport {
  readonly segments: number;
  readonly records: number;
  readonly scannedBytes: number;
  /** The torn tail that was cut, and where its bytes were saved. */
  readonly tornTail:
    | {
        readonly segmentId: number;
        readonly offset: number;
        readonly sizeBytes: number;
        readonly savedAs: string;
      }
    | undefined;
  /** Left-over files of an interrupted operation that were removed. */
  readonly removedFiles: readonly string[];
  readonly durationMs: number;
}

export interface WalStats {
  readonly appendedRecords: number;
  readonly appendedBytes: number;
  readonly batches: number;
  /** Last sync's duration and the sum of all, in milliseconds. */
  readonly lastSyncMs: number;
  readonly totalSyncMs: number;
  /** From the append of the first record of a batch to its acknowledgement; counted once for each record. */
  readonly appendLatencyMs: HistogramCounts;
  /** Write and sync of a batch. */
  readonly syncLatencyMs: HistogramCounts;
  /** Sizes of batches on disk. */
  readonly batchBytes: HistogramCounts;
  readonly pendingBytes: number;
  readonly sizeBytes: number;
  /** Files that are filled with zeros for the next segments; removed by `close`. */
  readonly spareBytes: number;
  readonly cachedBytes: number;
}

/**
 * The write-ahead log. Four operations (append, read, truncate, release) and metadata, nothing else.
 *
 * Every method but `removeSegments` throws or rejects with a `WalError` only; see `errors.ts` for the codes. All synchronous
 * parts run on the caller's turn; concurrent calls are ordered by call.
 */
export interface Wal {
  readonly recovery: RecoveryReport;
  /** First index still in the log; `lastIndex + 1` where it is empty. */
  readonly firstIndex: LogIndex;
  readonly lastIndex: LogIndex;
  /** Highest index that survives a power cut. */
  readonly durableIndex: LogIndex;
  readonly hardState: HardState;

  /**
   * Buffers a record and returns its index at once; nothing is durable. The bytes are copied. Writing
   * starts by itself: everything appended while writes are in flight goes into the next batch.
   */
  append(request: AppendRequest): Appended;
  /** Resolves when the record is durable; rejects if that can no longer be known. */
  whenDurable(index: LogIndex): Promise<void>;
  /** Resolves when everything appended so far is durable. */
  sync(): Promise<void>;
  /** Resolves when `pendingBytes` has fallen below half of its limit. */
  whenWritable(): Promise<void>;

  termAt(index: LogIndex): Term | undefined;
  read(index: LogIndex): Promise<WalRecordWithBody>;
  /** Records in [from, to), as many as fit in `limitBytes` but at least one. */
  readRange(from: LogIndex, to: LogIndex, limitBytes: number): Promise<WalRecordWithBody[]>;
  /**
   * The least index from which all records are still on disk, released ones too; at most `firstIndex`. It grows
   * when segments are removed.
   */
  readonly retainedIndex: LogIndex;
  /** Records in [from, lastIndex], from `retainedIndex` on, with their extents; bodies are not read. */
  replay(from: LogIndex): AsyncIterable<WalRecord>;
  /**
   * Records of a sealed segment with their extents, released ones too; bodies are not read. The segment must not
   * be removed meanwhile.
   */
  segmentRecords(segmentId: number): AsyncIterable<WalRecord>;
  /**
   * The bytes of an extent, checksum checked, in `target` (at least `extent.length` long) or a new buffer.
   * The result is a view of exactly the extent's length. Works for released segments too.
   */
  readExtent(extent: Extent, target?: Uint8Array): Promise<Uint8Array>;
  /**
   * A view of the extent's bytes where they are in memory, as they were written or verified; valid until the caller's turn
   * ends. undefined: `readExtent` reads them.
   */
  heldExtent(extent: Extent): Uint8Array | undefined;

  /**
   * Removes the records at `from` and above, durably. Refuses at or below the committed index that the
   * caller gave with `saveHardState`: that would forget an acknowledged write.
   */
  truncateSuffix(from: LogIndex): Promise<void>;
  /**
   * Declares, durably, that records at `upTo` and below are no longer needed as log. Segments that hold
   * no other record become `released`. Nothing is deleted.
   */
  releasePrefix(upTo: LogIndex): Promise<void>;
  /**
   * Makes the log begin after the record `index`, which had `termBefore`, with nothing in it: what was before is held
   * elsewhere, by the caller, durably. Older records that are in segments with smaller indexes become released, those
   * above are void. Nothing may be appended meanwhile. One commit point: a crash leaves the old log or the new.
   * Refuses below the committed index.
   */
  restartAfter(index: LogIndex, termBefore: Term): Promise<void>;
  /**
   * Unlinks released segments. Persist first, truncate second: the caller no longer refers to them. Rejects with the FileError of
   * one that cannot be unlinked: the log goes on without it, and the next call, or the next open, tries again.
   */
  removeSegments(segmentIds: readonly number[]): Promise<void>;
  segments(): readonly SegmentInfo[];

  /** Durable when it resolves. */
  saveHardState(state: HardState): Promise<void>;

  /** Heap and buffers held by this log, in bytes. */
  estimatedMemoryBytes(): number;
  stats(): WalStats;
  /** Syncs what is pending, gives the lock back. Idempotent. */
  close(): Promise<void>;
}
