import type { Env } from '@holdfast/env';
import { flushTask } from './flush-task.ts';
import type { Memtable } from './memtable.ts';
import type { TableListing } from './sorted-table.ts';
import { TableThread } from './table-thread.ts';
import type { TableWriteRequest } from './table-writer.ts';
import { writeTableIn } from './table-writer.ts';

/**
 * Writes memtables as tables: large ones on another thread where the files can be had on one, since it is a quarter of what
 * this thread does for a put, and else in slices on this one. One at a time.
 */
export class TableFlusher {
  readonly #env: Env;
  readonly #thread: TableThread;

  /** `threadSizeBytes`: a memtable of fewer bytes is written on this thread. */
  constructor(env: Env, threadSizeBytes: number) {
    this.#env = env;
    this.#thread = new TableThread(env.files, threadSizeBytes);
  }

  /** Threads that died or could not be started. Their flushes were done on this thread instead. */
  get threadFailures(): number {
    return this.#thread.failures;
  }

  /** As `writeTableIn`, of a memtable that is not written to meanwhile. */
  async flush(
    memtable: Memtable,
    directory: string,
    write: TableWriteRequest,
  ): Promise<TableListing> {
    const written = this.#thread.takes(memtable.sizeBytes)
      ? await this.#flushOnThread(memtable, directory, write)
      : undefined;
    return written ?? writeTableIn(directory, this.#env, write, memtable.source(false));
  }

  async #flushOnThread(
    memtable: Memtable,
    directory: string,
    write: TableWriteRequest,
  ): Promise<TableListing | undefined> {
    const copy = await memtable.copy(this.#env.clock);
    const memory = [copy.keys.buffer, copy.records.buffer, copy.values.buffer];
    return this.#thread.run(flushTask, { directory, copy, write }, write.path, memory);
  }
}
