import type { Env, ThreadTask } from '@holdfast/env';
import { BlockCache } from './block-cache.ts';
import { Disposals } from './disposals.ts';
import { KvError } from './errors.ts';
import { InPlaceReads } from './in-place-reads.ts';
import { MergeSource } from './merge-source.ts';
import type { TableListing } from './sorted-table.ts';
import { SortedTable } from './sorted-table.ts';
import type { TableAnswer } from './table-answer.ts';
import { answerWith } from './table-answer.ts';
import { tableFileName } from './table-format.ts';
import { TableSource } from './table-source.ts';
import type { TableWriteRequest } from './table-writer.ts';
import { writeTableIn } from './table-writer.ts';

declare global {
  // In no library of types that this package loads; every loader of modules has it.
  interface ImportMeta {
    url: string;
  }
}

/** One merge, in words that can be sent to another thread. */
export interface MergeRequest {
  /** Where the tables are. */
  readonly directory: string;
  /** The tables to merge, the newest first. */
  readonly sources: readonly TableListing[];
  readonly write: TableWriteRequest;
}

/**
 * Merges tables, the newest first, into a new one. Durability: the new file and its name are synced when it
 * resolves; no MANIFEST lists it yet. `isStopped` is asked now and then: KV_CLOSED where it says so.
 */
export async function mergeTables(
  env: Env,
  tables: readonly SortedTable[],
  { directory, write }: MergeRequest,
  isStopped: () => boolean = () => false,
): Promise<TableListing> {
  const sources = tables.map(
    (table) => new TableSource(table, { reverse: false, useCache: false }),
  );
  const source = new MergeSource(sources, false);
  return writeTableIn(directory, env, write, source, () => {
    if (isStopped()) throw new KvError('KV_CLOSED', 'the store is being closed');
  });
}

/** `mergeTables` on another thread, which opens the tables for itself. */
export const mergeTask: ThreadTask<MergeRequest, TableAnswer> = {
  moduleUrl: import.meta.url,
  exportName: 'mergeTask',
  run: (env, request) => answerWith(() => openAndMerge(env, request)),
};

async function openAndMerge(env: Env, request: MergeRequest): Promise<TableListing> {
  const disposals = new Disposals();
  const inPlace = new InPlaceReads(env.clock);
  const context = { env, cache: new BlockCache(0), disposals, inPlace };
  const tables: SortedTable[] = [];
  try {
    for (const listing of request.sources) {
      const path = `${request.directory}/${tableFileName(listing.tableId)}`;
      tables.push(await SortedTable.open(context, path, listing));
    }
    return await mergeTables(env, tables, request);
  } finally {
    for (const table of tables) table.release();
    await disposals.finished();
  }
}
