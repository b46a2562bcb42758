import { Worker } from 'node:worker_threads';
import { DigestError } from '../digests.ts';
import type { DigestAnswer, DigestRequest, DigestWorkerData } from './digest-messages.ts';

interface Waiting {
  readonly resolve: (answer: DigestAnswer) => void;
  readonly reject: (error: DigestError) => void;
}

/**
 * One worker thread and the requests on their way to it. Answers come in the order of the requests, so
 * that the oldest waiting one is the one that is answered.
 */
export class DigestLane {
  readonly #worker: Worker;
  readonly #waiting: Waiting[] = [];
  #failure: DigestError | undefined;
  /** Streams that hash here. */
  streamCount = 0;

  constructor(data: DigestWorkerData, onFailure: (lane: DigestLane) => void) {
    // Run from source this file ends in .ts, and so does the worker's; built, both end in .js.
    const name = import.meta.url.endsWith('.ts') ? './digest-worker.ts' : './digest-worker.js';
    this.#worker = new Worker(new URL(name, import.meta.url), {
      workerData: data,
      name: 'holdfast-digest',
      execArgv: [],
      // Why: what it allocates is small and dies at once.
      resourceLimits: { maxYoungGenerationSizeMb: 2 },
    });
    this.#worker.unref();
    this.#worker.on('message', (answer: DigestAnswer) => this.#settle(answer));
    const failed = (cause: unknown): void => {
      const message = 'the digest worker stopped';
      this.fail(new DigestError('DIGEST_WORKER_FAILED', message, { cause }));
      onFailure(this);
    };
    this.#worker.on('error', failed);
    this.#worker.on('messageerror', failed);
    this.#worker.on('exit', (exitCode) => failed(new Error(`exit code ${exitCode}`)));
  }

  /** Sends a request that is not answered. */
  tell(request: DigestRequest): void {
    if (this.#failure === undefined) this.#worker.postMessage(request);
  }

  /** Sends a request and waits for its answer. `transfer`: buffers handed over. */
  ask(request: DigestRequest, transfer: ArrayBuffer[] = []): Promise<DigestAnswer> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) return reject(this.#failure);
      // A process must not end while it waits for an answer, and may when it does not.
      if (this.#waiting.length === 0) this.#worker.ref();
      this.#waiting.push({ resolve, reject });
      this.#worker.postMessage(request, transfer);
    });
  }

  /** Rejects what waits, and every later request. */
  fail(error: DigestError): void {
    this.#failure ??= error;
    for (const waiting of this.#waiting.splice(0)) waiting.reject(this.#failure);
    this.#worker.unref();
  }

  async close(error: DigestError): Promise<void> {
    this.fail(error);
    await this.#worker.terminate();
  }

  #settle(answer: DigestAnswer): void {
    const oldest = this.#waiting.shift();
    if (this.#waiting.length === 0) this.#worker.unref();
    oldest?.resolve(answer);
  }
}
