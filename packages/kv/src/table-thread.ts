import type { Env, RunningTask, ThreadTask } from '@holdfast/env';
import { ThreadError } from '@holdfast/env';
import type { TableListing } from './sorted-table.ts';
import type { TableAnswer } from './table-answer.ts';
import { listingOf } from './table-answer.ts';
import { unlinkLeftOver } from './table-writer.ts';

/** Has tables written on another thread, where the files can be had on one. One at a time. */
export class TableThread {
  readonly #files: Env['files'];
  readonly #leastBytes: number;
  #running: RunningTask<TableAnswer> | undefined;
  #failures = 0;

  /** `leastBytes`: less is not worth a thread. */
  constructor(files: Env['files'], leastBytes: number) {
    this.#files = files;
    this.#leastBytes = leastBytes;
  }

  /** Threads that died or could not be started. */
  get failures(): number {
    return this.#failures;
  }

  /** Whether there are threads, and so many bytes are worth one. */
  takes(sizeBytes: number): boolean {
    return this.#files.threads !== undefined && sizeBytes >= this.#leastBytes;
  }

  /**
   * Runs a task that writes the table of this path. undefined where there are no threads, or the thread died: nothing but the
   * work itself is wrong with that, and nothing is left of it. Rejects with what the task answers, and after `stop` with
   * THREAD_STOPPED. `transfer`: memory of the request that is handed over.
   */
  async run<Request>(
    task: ThreadTask<Request, TableAnswer>,
    request: Request,
    path: string,
    transfer: readonly ArrayBuffer[] = [],
  ): Promise<TableListing | undefined> {
    const { threads } = this.#files;
    if (threads === undefined) return undefined;
    this.#running = threads.start(task, request, transfer);
    try {
      return listingOf(await this.#running.answer);
    } catch (error) {
      if (!(error instanceof ThreadError) || error.code === 'THREAD_STOPPED') throw error;
      this.#failures++;
      await unlinkLeftOver(this.#files, path);
      return undefined;
    } finally {
      this.#running = undefined;
    }
  }

  /** Ends what runs, wherever it is. */
  async stop(): Promise<void> {
    await this.#running?.stop();
  }
}
