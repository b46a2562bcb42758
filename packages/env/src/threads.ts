import { OperatingError } from '@holdfast/bytes';
import type { Env } from './env.ts';

/**
 * Work that another thread can do. What another thread loads is a module, not a function, so the task says
 * where it is exported.
 */
export interface ThreadTask<Request, Answer> {
  /** `import.meta.url` of the module. */
  readonly moduleUrl: string;
  /** The name under which that module exports this very task. */
  readonly exportName: string;
  /** `env` is the environment of the thread that runs it; its `files` are the same files by the same paths. */
  run(env: Env, request: Request): Promise<Answer>;
}

/** Runs tasks on threads of their own. */
export interface Threads {
  /**
   * Starts a task on a thread that nothing else runs on. `request` and answer are copied (structured clone), but the memory in
   * `transfer`, which the thread has and nobody else.
   */
  start<Request, Answer>(
    task: ThreadTask<Request, Answer>,
    request: Request,
    transfer?: readonly ArrayBuffer[],
  ): RunningTask<Answer>;
}

export interface RunningTask<Answer> {
  /** Settles when the task or its thread has ended. Rejects with a `ThreadError`: then the thread's files are closed. */
  readonly answer: Promise<Answer>;
  /** Ends the thread wherever it is; nothing of it runs on when this resolves. Idempotent. */
  stop(): Promise<void>;
}

export type ThreadErrorCode =
  /** The thread could not be started, threw, or died; the cause says which. */
  | 'THREAD_FAILED'
  /** `RunningTask.stop` was called. */
  | 'THREAD_STOPPED';

/** What the answer of a task rejects with. */
export class ThreadError extends OperatingError {
  override readonly code: ThreadErrorCode;
  override readonly retryable: boolean;

  constructor(code: ThreadErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.code = code;
    this.retryable = code === 'THREAD_FAILED';
  }
}
