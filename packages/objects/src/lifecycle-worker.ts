import { KvError } from '@holdfast/kv';
import { runLifecyclePass } from './lifecycle-pass.ts';
import type { LifecycleReport } from './pass-reports.ts';
import type { StoreContext } from './store-context.ts';
import type { TaskQueue, TaskQueueFactory } from './task-queue.ts';

/** Runs passes on a task queue, one at a time: who asks while one waits or runs gets the same or the next one. */
export class LifecycleWorker {
  readonly #queue: TaskQueue<'pass'>;
  #waiting: PromiseWithResolvers<LifecycleReport>[] = [];

  constructor(context: StoreContext, tasks: TaskQueueFactory) {
    let last: Promise<unknown> = Promise.resolve();
    this.#queue = tasks('lifecycle', async () => {
      // The queue may run two tasks at once; two passes would only be in each other's way.
      const mine = last.then(() => this.#pass(context));
      last = mine.catch(() => {});
      await mine;
    });
  }

  /** A pass that begins after this call. Rejects with its first failure, after which the queue does it again. */
  run(): Promise<LifecycleReport> {
    const waiting = Promise.withResolvers<LifecycleReport>();
    this.#waiting.push(waiting);
    this.#queue.push('pass', 'pass');
    return waiting.promise;
  }

  /** The caller has stopped the sweeper, and with it every pass at its next step. */
  async close(): Promise<void> {
    await this.#queue.close();
    for (const { reject } of this.#waiting.splice(0)) reject(closing());
  }

  async #pass(context: StoreContext): Promise<void> {
    const waiting = this.#waiting.splice(0);
    try {
      const report = await runLifecyclePass(context);
      for (const { resolve } of waiting) resolve(report);
    } catch (error) {
      for (const { reject } of waiting) reject(error);
      throw error;
    }
  }
}

function closing(): Error {
  return new KvError('KV_CLOSED', 'the object store is closing');
}
