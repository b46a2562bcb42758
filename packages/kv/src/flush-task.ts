import type { ThreadTask } from '@holdfast/env';
import type { MemtableCopy } from './memtable-copy.ts';
import { MemtableCopySource } from './memtable-copy.ts';
import type { TableAnswer } from './table-answer.ts';
import { answerWith } from './table-answer.ts';
import type { TableWriteRequest } from './table-writer.ts';
import { writeTableIn } from './table-writer.ts';

/** One flush, as it is sent to another thread. */
export interface FlushRequest {
  /** Where the table is to be. */
  readonly directory: string;
  /** Handed over, not copied. */
  readonly copy: MemtableCopy;
  readonly write: TableWriteRequest;
}

/** Writes the copy of a memtable as a table, on another thread: as `writeTableIn`. */
export const flushTask: ThreadTask<FlushRequest, TableAnswer> = {
  moduleUrl: import.meta.url,
  exportName: 'flushTask',
  run: (env, { directory, copy, write }) =>
    answerWith(async () => {
      try {
        return await writeTableIn(directory, env, write, new MemtableCopySource(copy));
      } finally {
        // Why not left to the collector of this thread, which has next to nothing to do: it would keep several.
        for (const { buffer } of [copy.keys, copy.records, copy.values]) buffer.transfer(0);
      }
    }),
};
