import type { Env, FileErrorCode, ThreadTask } from '@holdfast/env';
import { FileError } from '@holdfast/env';
import { BlockCache } from './block-cache.ts';
import { Disposals } from './disposals.ts';
import type { KvErrorCode, KvErrorOptions } from './errors.ts';
import { KvError } from './errors.ts';
import { InPlaceReads } from './in-place-reads.ts';
import { MergeSource } from './merge-source.ts';
import type { TableListing } from './sorted-table.ts';
import { SortedTable } from './sorted-table.ts';
import { tableFileName } from './table-format.ts';
import { TableSource } from './table-source.ts';
import type { TableWriteRequest } from './table-writer.ts';
import { writeTable } from './table-writer.ts';

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

/** What another thread answers: errors lose their class on the way, so they are told in words. */
export type MergeAnswer =
  | { readonly kind: 'written'; readonly listing: TableListing }
  | {
      readonly kind: 'kvError';
      readonly code: KvErrorCode;
      readonly message: string;
      readonly options: Omit<KvErrorOptions, 'cause'>;
    }
  | {
      readonly kind: 'fileError';
      readonly code: FileErrorCode;
      readonly path: string;
      readonly message: string;
    };

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
  const { sizeBytes, footerCrc } = await writeTable(env, write, source, () => {
    if (isStopped()) throw new KvError('KV_CLOSED', 'the store is being closed');
  });
  await env.files.syncDirectory(directory);
  return { tableId: write.tableId, sizeBytes, footerCrc };
}

/** `mergeTables` on another thread, which opens the tables for itself. */
export const mergeTask: ThreadTask<MergeRequest, MergeAnswer> = {
  moduleUrl: import.meta.url,
  exportName: 'mergeTask',
  run: async (env, request) => {
    try {
      return { kind: 'written', listing: await openAndMerge(env, request) };
    } catch (error) {
      if (error instanceof KvError) {
        const { code, message, path, offset } = error;
        const place = path === undefined ? {} : { path, offset: offset ?? 0 };
        return { kind: 'kvError', code, message, options: place };
      }
      if (!(error instanceof FileError)) throw error;
      const { code, path, message } = error;
      return { kind: 'fileError', code, path, message };
    }
  },
};

/** The listing of an answer; what failed is thrown as it was there. */
export function listingOf(answer: MergeAnswer): TableListing {
  if (answer.kind === 'written') return answer.listing;
  if (answer.kind === 'kvError') throw new KvError(answer.code, answer.message, answer.options);
  // Why the end is cut: a `FileError` puts its path behind its message.
  const message = answer.message.slice(0, -`: ${answer.path}`.length);
  throw new FileError(answer.code, answer.path, message);
}

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
