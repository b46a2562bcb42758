import type { Env, RunningTask } from '@holdfast/env';
import { ThreadError } from '@holdfast/env';
import { KvError } from './errors.ts';
import type { MergeAnswer, MergeRequest } from './merge-task.ts';
import { listingOf, mergeTables, mergeTask } from './merge-task.ts';
import type { SortedTable, TableListing } from './sorted-table.ts';
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
  readonly #threadSizeBytes: number;
  #running: RunningTask<MergeAnswer> | undefined;
  #stopped = false;
  #threadFailures = 0;

  /** `threadSizeBytes`: tables of fewer bytes in all get no thread. */
  constructor(env: Env, threadSizeBytes: number) {
    this.#env = env;
    this.#threadSizeBytes = threadSizeBytes;
  }

  /** Threads that died or could not be started. Their merges were done on this thread instead. */
  get threadFailures(): number {
    return this.#threadFailures;
  }

  /**
   * Writes the merge of the tables, which the caller keeps retained. Durability: as `mergeTables`. What a merge that
   * failed had written is removed. KV_CLOSED after `stop`; KV_CORRUPTION, and what the files reject with.
   */
  async merge(tables: readonly SortedTable[], request: MergeRequest): Promise<TableListing> {
    if (this.#stopped) throw closed();
    try {
      const merged = await this.#mergeOnThread(request);
      if (merged !== undefined) return merged;
      return await mergeTables(this.#env, tables, request, () => this.#stopped);
    } catch (error) {
      await unlinkLeftOver(this.#env.files, request.write.path).catch(() => undefined);
      throw error;
    }
  }

  /** Ends what runs, soon: its `merge` rejects. Nothing begins after it. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running?.stop();
  }

  /** undefined where it is too small, or there are no threads, or the thread died: nothing but the merge itself is wrong with that. */
  async #mergeOnThread(request: MergeRequest): Promise<TableListing | undefined> {
    const { threads } = this.#env.files;
    const sizeBytes = request.sources.reduce((sum, source) => sum + source.sizeBytes, 0);
    if (threads === undefined || sizeBytes < this.#threadSizeBytes) return undefined;
    this.#running = threads.start(mergeTask, request);
    try {
      return listingOf(await this.#running.answer);
    } catch (error) {
      if (!(error instanceof ThreadError)) throw error;
      if (this.#stopped) throw closed(error);
      this.#threadFailures++;
      await unlinkLeftOver(this.#env.files, request.write.path);
      return undefined;
    } finally {
      this.#running = undefined;
    }
  }
}

function closed(cause?: unknown): KvError {
  return new KvError('KV_CLOSED', 'the store is being closed', { cause });
}
