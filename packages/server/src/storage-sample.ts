import type { LocalStore, LocalStoreStatus } from '@holdfast/kv';
import type { HistogramCounts } from '@holdfast/wal';

/** One number of the storage. */
export interface StorageMetric {
  /** Without the prefix `holdfast_`. */
  readonly name: string;
  readonly kind: 'counter' | 'gauge';
  readonly help: string;
  readonly value: number;
  readonly labels?: Readonly<Record<string, string>>;
}

export interface StorageHistogram {
  readonly name: string;
  readonly help: string;
  readonly counts: HistogramCounts;
  /** From the unit of the counts to that of the metric. */
  readonly scale: number;
}

/** What the storage tells at the moment of a scrape. Counts are since the start. */
export interface StorageSample {
  readonly metrics: readonly StorageMetric[];
  readonly histograms: readonly StorageHistogram[];
}

const counter = (name: string, value: number, help: string): StorageMetric => ({
  name,
  kind: 'counter',
  help,
  value,
});
const gauge = (name: string, value: number, help: string): StorageMetric => ({
  name,
  kind: 'gauge',
  help,
  value,
});

/** The storage's own numbers. The list of names never changes. */
export function sampleStorage(kv: LocalStore, nowMs: number): StorageSample {
  const status = kv.status();
  return {
    metrics: [
      ...logMetrics(status, nowMs),
      ...indexMetrics(status),
      ...spaceMetrics(status),
      ...recoveryMetrics(kv),
    ],
    histograms: [
      {
        name: 'wal_append_latency_seconds',
        help: 'From the append of the first record of a batch to its acknowledgement, once for each record.',
        counts: status.wal.appendLatencyMs,
        scale: 0.001,
      },
      {
        name: 'wal_sync_latency_seconds',
        help: 'Write and sync of a batch.',
        counts: status.wal.syncLatencyMs,
        scale: 0.001,
      },
      {
        name: 'wal_batch_bytes',
        help: 'Sizes of the batches written to the log.',
        counts: status.wal.batchBytes,
        scale: 1,
      },
    ],
  };
}

function logMetrics({ wal, segments }: LocalStoreStatus, nowMs: number): StorageMetric[] {
  const oldestMs = segments.reduce((oldest, each) => Math.min(oldest, each.createdMs), nowMs);
  return [
    counter('wal_appended_records_total', wal.appendedRecords, 'Records made durable.'),
    counter('wal_appended_bytes_total', wal.appendedBytes, 'Bytes of those records.'),
    counter('wal_batches_total', wal.batches, 'Batches written and synced.'),
    counter('wal_sync_seconds_total', wal.totalSyncMs / 1000, 'Time spent writing and syncing.'),
    gauge('wal_last_sync_seconds', wal.lastSyncMs / 1000, 'Duration of the last write and sync.'),
    gauge('wal_pending_bytes', wal.pendingBytes, 'Appended and not yet durable.'),
    gauge('wal_size_bytes', wal.sizeBytes, 'Files of the log.'),
    gauge('wal_spare_bytes', wal.spareBytes, 'Files of zeros, ready for the next segments.'),
    gauge('wal_cached_bytes', wal.cachedBytes, 'Recent payloads in memory.'),
    gauge(
      'wal_oldest_segment_age_seconds',
      (nowMs - oldestMs) / 1000,
      'Age of the oldest segment.',
    ),
  ];
}

function indexMetrics(status: LocalStoreStatus): StorageMetric[] {
  return [
    counter('kv_flushes_total', status.flushes, 'Flushes of the memtable: delta snapshots.'),
    counter('kv_flush_seconds_total', status.totalFlushMs / 1000, 'Time spent flushing.'),
    counter(
      'kv_flush_thread_failures_total',
      status.flushThreadFailures,
      'Flushes whose thread died; done on the main thread instead.',
    ),
    counter('kv_merges_total', status.merges, 'Merges of tables.'),
    counter(
      'kv_merge_thread_failures_total',
      status.mergeThreadFailures,
      'Merges whose thread died; done on the main thread instead.',
    ),
    counter(
      'kv_validation_errors_total',
      status.validationErrors,
      'Reads that found damaged bytes in the log or a table.',
    ),
    gauge('kv_last_flush_seconds', status.lastFlushMs / 1000, 'Duration of the last flush.'),
    gauge('kv_revision', status.revision, 'Index of the last record applied.'),
    gauge('kv_memtable_bytes', status.memtableBytes, 'Entries in memory, not yet in a table.'),
    gauge('kv_tables', status.tableCount, 'Tables of the index: length of the snapshot chain.'),
    gauge('kv_table_bytes', status.tableBytes, 'Files of the tables: size of the snapshot.'),
    gauge('kv_unflushed_log_bytes', status.unflushedLogBytes, 'Log that a start would replay.'),
    gauge('kv_sessions', status.sessions, 'Clients whose last answer is remembered.'),
    gauge('kv_open_readers', status.openReaders, 'Reads and views that pin files.'),
    gauge('kv_waiting_bytes', status.waitingBytes, 'Transactions that wait for the log.'),
    gauge('kv_memory_bytes', status.estimatedMemoryBytes, 'Memory held by index and log.'),
  ];
}

function spaceMetrics(status: LocalStoreStatus): StorageMetric[] {
  const { segments, extentFiles, liveBytes, deadBytes } = status;
  const allBytes = liveBytes + deadBytes;
  const extentBytes = extentFiles.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  return [
    gauge('kv_segments', segments.length, 'Segments of the log, kept for its records or values.'),
    gauge('kv_extent_files', extentFiles.length, 'Files of values that compaction moved.'),
    gauge('kv_extent_file_bytes', extentBytes, 'Bytes of those files.'),
    gauge('kv_live_bytes', liveBytes, 'Values in the log and in extent files that are in use.'),
    gauge('kv_dead_bytes', deadBytes, 'Other bytes there.'),
    gauge('kv_live_ratio', allBytes === 0 ? 1 : liveBytes / allBytes, 'Live of all those bytes.'),
    gauge(
      'kv_compaction_debt_bytes',
      status.compactionDebtBytes,
      'Dead bytes in segments that compaction would rewrite now.',
    ),
    gauge(
      'kv_damaged_segments',
      status.damagedSegments,
      'Segments that compaction leaves as they are, since something in them is damaged.',
    ),
    counter(
      'kv_rewritten_segments_total',
      status.rewrittenSegments,
      'Segments that compaction emptied.',
    ),
    counter('kv_moved_bytes_total', status.movedBytes, 'Bytes that compaction copied.'),
  ];
}

function recoveryMetrics({ recovery }: LocalStore): StorageMetric[] {
  const { wal, steps } = recovery;
  return [
    ...steps.map(({ name, durationMs }) => ({
      ...gauge('recovery_seconds', durationMs / 1000, 'What each step of the start took.'),
      labels: { step: name },
    })),
    gauge('recovery_scanned_bytes', wal.scannedBytes, 'Log read by the start.'),
    gauge('recovery_replayed_records', recovery.replayedRecords, 'Records applied by the start.'),
    gauge('recovery_replayed_bytes', recovery.replayedBytes, 'Bytes of those records.'),
    gauge(
      'recovery_cut_bytes',
      wal.tornTail?.sizeBytes ?? 0,
      'Torn bytes at the end of the log, never acknowledged, that the start set aside.',
    ),
    gauge(
      'recovery_healed_files',
      recovery.healed.length,
      'Damaged files of the index that the start made again from the log.',
    ),
    gauge(
      'recovery_removed_files',
      wal.removedFiles.length + recovery.removedFiles.length,
      'Left-over files of interrupted work that the start removed.',
    ),
  ];
}
