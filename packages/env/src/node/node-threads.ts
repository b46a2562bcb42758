import { Worker } from 'node:worker_threads';
import type { RunningTask, Threads, ThreadTask } from '../threads.ts';
import { ThreadError } from '../threads.ts';
import type { NodeFilesOptions } from './node-files.ts';
import type { ThreadRequest, ThreadWorkerData } from './thread-worker.ts';

/** Starting a thread takes 100 ms of a processor, and an idle one holds memory. */
const IDLE_MS = 5000;

/**
 * A worker thread for each task that runs. The last one that became idle is kept for the next task for some seconds; it keeps
 * no process alive.
 */
export class NodeThreads implements Threads {
  readonly #files: NodeFilesOptions;
  readonly #idleMs: number;
  #startedCount = 0;
  #idle: { readonly worker: Worker; readonly timer: NodeJS.Timeout } | undefined;

  /** `files`: how the files of each thread are made. `idleMs`: how long one is kept that has nothing to do. */
  constructor(files: NodeFilesOptions, idleMs: number = IDLE_MS) {
    this.#files = files;
    this.#idleMs = idleMs;
  }

  /** Threads started so far. */
  get startedCount(): number {
    return this.#startedCount;
  }

  /** Whether one is kept that has nothing to do. */
  get hasIdle(): boolean {
    return this.#idle !== undefined;
  }

  start<Request, Answer>(
    { moduleUrl, exportName }: ThreadTask<Request, Answer>,
    request: Request,
    transfer: readonly ArrayBuffer[] = [],
  ): RunningTask<Answer> {
    const worker = this.#takeIdle() ?? this.#startWorker();
    let stopped = false;
    let answered = false;
    const answer = answerOf<Answer>(worker, exportName, () => stopped);
    // A stopped task's answer is awaited by nobody.
    answer.then(
      () => {
        answered = true;
        this.#keep(worker);
      },
      () => undefined,
    );
    const message: ThreadRequest = { moduleUrl, exportName, request };
    worker.postMessage(message, [...transfer]);
    return {
      answer,
      stop: async () => {
        // Safety: by then the thread may run another task.
        if (answered) return;
        stopped = true;
        await worker.terminate();
      },
    };
  }

  #startWorker(): Worker {
    this.#startedCount++;
    const data: ThreadWorkerData = { files: this.#files };
    // Run from source this file ends in .ts, and so does the worker's; built, both end in .js.
    const name = import.meta.url.endsWith('.ts') ? './thread-worker.ts' : './thread-worker.js';
    const worker = new Worker(new URL(name, import.meta.url), {
      workerData: data,
      name: 'holdfast-thread',
      execArgv: [],
    });
    // Why: an error that nobody listens to ends the process, and while it is idle nobody does.
    worker.on('error', () => undefined);
    worker.on('exit', () => {
      if (this.#idle?.worker === worker) this.#takeIdle();
    });
    return worker;
  }

  #takeIdle(): Worker | undefined {
    const idle = this.#idle;
    if (idle === undefined) return undefined;
    clearTimeout(idle.timer);
    this.#idle = undefined;
    idle.worker.ref();
    return idle.worker;
  }

  #keep(worker: Worker): void {
    this.#endIdle();
    worker.unref();
    const timer = setTimeout(() => this.#endIdle(), this.#idleMs);
    timer.unref();
    this.#idle = { worker, timer };
  }

  #endIdle(): void {
    void this.#takeIdle()?.terminate();
  }
}

/** What the worker answers next. Rejects when it has ended without an answer. */
function answerOf<Answer>(worker: Worker, name: string, isStopped: () => boolean): Promise<Answer> {
  return new Promise((resolve, reject) => {
    let cause: unknown;
    const onError = (error: unknown): void => {
      cause = error;
    };
    const onUnreadable = (error: unknown): void => {
      cause = error;
      void worker.terminate();
    };
    const onMessage = (value: Answer): void => {
      worker.off('message', onMessage).off('error', onError).off('exit', onExit);
      worker.off('messageerror', onUnreadable);
      resolve(value);
    };
    // Why not before: until it has ended, the thread may hold files open.
    const onExit = (exitCode: number): void => {
      if (isStopped()) return reject(new ThreadError('THREAD_STOPPED', `${name} was stopped`));
      cause ??= new Error(`it ended with exit code ${exitCode} and no answer`);
      const message = `the thread of ${name} failed: ${cause instanceof Error ? cause.message : String(cause)}`;
      reject(new ThreadError('THREAD_FAILED', message, { cause }));
    };
    worker.on('message', onMessage).on('error', onError).on('exit', onExit);
    // An answer that cannot be read: nothing else will come, and the thread would wait for another task.
    worker.on('messageerror', onUnreadable);
  });
}
