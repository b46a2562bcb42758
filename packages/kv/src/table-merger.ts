import type { Env } from '@holdfast/env';
import { ThreadError } from '@holdfast/env';
import { KvError } from './errors.ts';
import type { MergeRequest } from './merge-task.ts';
import { mergeTables, mergeTask } from './merge-task.ts';
import type { SortedTable, TableListing } from './sorted-table.ts';
import { TableThread } from './table-thread.ts';
import { unlinkLeftOver } from './table-writer.ts';

/**
 * Runs merges: on a thread of their own where the files can be had on one, so that no read or write of the
 * store waits for them, and else in slices on this one. One at a time.
 *
 * Small ones too run on this one: a thread takes 90 ms of a processor and 1 ms of this thread to start, and this one
 * merges a few thousand entries in ten.
 */
export class TableMerger {
  readonly #env: Env;
  readonly #thread: TableThread;
  #stopped = false;

  /** `threadSizeBytes`: tables of fewer bytes in all get no thread. */
  constructor(env: Env, threadSizeBytes: number) {
    this.#env = env;
    this.#thread = new TableThread(env.files, threadSizeBytes);
  }

  /** Threads that died or could not be started. Their merges were done on this thread instead. */
  get threadFailures(): number {
    return this.#thread.failures;
  }

  /**
   * Writes the merge of the tables, which the caller keeps retained. Durability: as `mergeTables`. What a merge that
   * failed had written is removed. KV_CLOSED after `stop`; KV_CORRUPTION, and what the files reject with.
   */
  async merge(tables: readonly SortedTable[], request: MergeRequest): Promise<TableListing> {
    if (this.#stopped) throw closed();
    const { path } = request.write;
    const sizeBytes = request.sources.reduce((sum, source) => sum + source.sizeBytes, 0);
    try {
      const merged = this.#thread.takes(sizeBytes)
        ? await this.#thread.run(mergeTask, request, path)
        : undefined;
      return merged ?? (await mergeTables(this.#env, tables, request, () => this.#stopped));
    } catch (error) {
      await unlinkLeftOver(this.#env.files, path).catch(() => undefined);
      throw error instanceof ThreadError ? closed(error) : error;
    }
  }

  /** Ends what runs, soon: its `merge` rejects. Nothing begins after it. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#thread.stop();
  }
}

function closed(cause?: unknown): KvError {
  return new KvError('KV_CLOSED', 'the store is being closed', { cause });
}
