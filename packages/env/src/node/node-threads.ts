import { Worker } from 'node:worker_threads';
import type { RunningTask, Threads, ThreadTask } from '../threads.ts';
import { ThreadError } from '../threads.ts';
import type { NodeFilesOptions } from './node-files.ts';
import type { ThreadWorkerData } from './thread-worker.ts';

/** One worker thread for each task. Why no pool: tasks are seconds long, and an idle thread holds memory. */
export class NodeThreads implements Threads {
  readonly #files: NodeFilesOptions;
  #startedCount = 0;

  /** `files`: how the files of each thread are made. */
  constructor(files: NodeFilesOptions) {
    this.#files = files;
  }

  /** Threads started so far. */
  get startedCount(): number {
    return this.#startedCount;
  }

  start<Request, Answer>(
    { moduleUrl, exportName }: ThreadTask<Request, Answer>,
    request: Request,
  ): RunningTask<Answer> {
    this.#startedCount++;
    const data: ThreadWorkerData = { moduleUrl, exportName, request, files: this.#files };
    // Run from source this file ends in .ts, and so does the worker's; built, both end in .js.
    const name = import.meta.url.endsWith('.ts') ? './thread-worker.ts' : './thread-worker.js';
    const worker = new Worker(new URL(name, import.meta.url), {
      workerData: data,
      name: `holdfast-${exportName}`,
      execArgv: [],
    });
    let stopped = false;
    const answer = answerOf<Answer>(worker, exportName, () => stopped);
    // A stopped task's answer is awaited by nobody.
    answer.catch(() => undefined);
    return {
      answer,
      stop: async () => {
        stopped = true;
        await worker.terminate();
      },
    };
  }
}

function answerOf<Answer>(worker: Worker, name: string, isStopped: () => boolean): Promise<Answer> {
  return new Promise((resolve, reject) => {
    let answer: { readonly value: Answer } | undefined;
    let cause: unknown;
    worker.on('message', (value: Answer) => {
      answer = { value };
    });
    worker.on('error', (error) => {
      cause = error;
    });
    worker.on('messageerror', (error) => {
      cause = error;
    });
    // Why not before: until it has ended, the thread may hold files open.
    worker.on('exit', (exitCode) => {
      if (isStopped()) return reject(new ThreadError('THREAD_STOPPED', `${name} was stopped`));
      if (answer !== undefined && cause === undefined) return resolve(answer.value);
      cause ??= new Error(`it ended with exit code ${exitCode} and no answer`);
      const message = `the thread of ${name} failed: ${cause instanceof Error ? cause.message : String(cause)}`;
      reject(new ThreadError('THREAD_FAILED', message, { cause }));
    });
  });
}
