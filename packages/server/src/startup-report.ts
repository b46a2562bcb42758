import type { LocalRecovery } from '@holdfast/kv';

/** What opening the store found and did, as the fields of one line of the log. */
export function startupReport(recovery: LocalRecovery): Record<string, unknown> {
  const { wal, steps } = recovery;
  return {
    durationMs: rounded(recovery.durationMs),
    steps: Object.fromEntries(steps.map(({ name, durationMs }) => [name, rounded(durationMs)])),
    segments: wal.segments,
    records: wal.records,
    scannedBytes: wal.scannedBytes,
    tables: recovery.tables,
    replayedRecords: recovery.replayedRecords,
    replayedBytes: recovery.replayedBytes,
    ...(wal.tornTail === undefined ? {} : { tornTail: wal.tornTail }),
    ...(recovery.healed.length === 0 ? {} : { healed: recovery.healed }),
    removedFiles: [...wal.removedFiles, ...recovery.removedFiles],
  };
}

function rounded(durationMs: number): number {
  return Math.round(durationMs * 10) / 10;
}
