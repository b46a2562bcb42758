/**
 * Background work with retries and a bound on concurrency. The server implements it on better-queue;
 * a test may run tasks when it likes.
 */
export interface TaskQueue<Task> {
  /** Adds a task; one that has the same id as a waiting task replaces it. */
  push(id: string, task: Task): void;
  /** Resolves when nothing waits and nothing runs. */
  idle(): Promise<void>;
  /** Drops what waits, waits for what runs. Idempotent. */
  close(): Promise<void>;
}

/** Makes a queue that calls `run` for each task; a rejection is retried a limited number of times. */
export type TaskQueueFactory = <Task>(
  name: string,
  run: (task: Task) => Promise<void>,
) => TaskQueue<Task>;
