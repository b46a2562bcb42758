import { KvError } from './errors.ts';
import { liveRecord } from './index-record.ts';
import type { ManifestState } from './manifest-codec.ts';
import { MergeSource } from './merge-source.ts';
import type { SortedTable } from './sorted-table.ts';
import { TableSource } from './table-source.ts';

/** How far back the index is to be opened. */
export interface OlderState {
  /** So many of the newest tables are left out. */
  readonly skipTables: number;
  /** The log has all records from this one on. */
  readonly logFrom: number;
}

/** A state that the log does not reach back to. */
export class LogTooShortError extends KvError {
  constructor(needed: number, logFrom: number) {
    super(
      'KV_CORRUPTION',
      `that takes the log from record ${needed} on, and what is left of it begins at record ${logFrom}`,
    );
  }
}

/**
 * What the MANIFEST would say if only `tables` had been written yet: the state of the index up to the last
 * record in them. Reads all of them, since only they know which bytes of the log they refer to; so damage in
 * any is found here: KV_CORRUPTION. A LogTooShortError before that where the log does not reach back so far.
 *
 * Why extent files stay listed: compaction is not in the log. A value that it moved is found where it was
 * before, and the file that has its copy has no live bytes, unless an older table refers to it.
 */
export async function olderState(
  state: ManifestState,
  tables: readonly SortedTable[],
  logFrom: number,
): Promise<ManifestState> {
  const appliedIndex = tables[0]?.properties.appliedIndex ?? 0;
  if (appliedIndex + 1 < logFrom) throw new LogTooShortError(appliedIndex + 1, logFrom);
  return {
    ...state,
    appliedIndex,
    tables: tables.map(({ listing }) => listing),
    liveBytes: await countLiveBytes(tables),
  };
}

/** Bytes that the newest records of all keys refer to, by segment. */
async function countLiveBytes(tables: readonly SortedTable[]): Promise<Map<number, number>> {
  const liveBytes = new Map<number, number>();
  const sources = tables.map(
    (table) => new TableSource(table, { reverse: false, useCache: false }),
  );
  const source = new MergeSource(sources, false);
  await source.seek(undefined);
  while (source.key !== undefined) {
    const record = liveRecord(source.record);
    if (record?.kind === 'extent') {
      const { segmentId, length } = record.extent;
      liveBytes.set(segmentId, (liveBytes.get(segmentId) ?? 0) + length);
    }
    const advanced = source.advance();
    if (advanced !== undefined) await advanced;
  }
  return liveBytes;
}
