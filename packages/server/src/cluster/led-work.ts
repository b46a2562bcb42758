import type { Clock, Timer } from '@holdfast/env';
import { KvError } from '@holdfast/kv';

const RETRY_MS = 100;

/**
 * Does work that needs a leader: again and again until there is one. Rejects with what the store refuses for another
 * reason. `stop` ends it, and it then never settles otherwise than by the attempt that runs.
 */
export class LedWork {
  readonly #clock: Clock;
  #timer: Timer | undefined;
  #endPause: (() => void) | undefined;
  #isStopped = false;
  #running: Promise<unknown> = Promise.resolve();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves with true when the work is done, with false when it was stopped before. */
  run(work: () => Promise<void>): Promise<boolean> {
    const running = this.#repeat(work);
    this.#running = running.catch(() => undefined);
    return running;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    this.#endPause?.();
    await this.#running;
  }

  async #repeat(work: () => Promise<void>): Promise<boolean> {
    while (!this.#isStopped) {
      try {
        await work();
        return true;
      } catch (error) {
        const mayPass = error instanceof KvError && (error.retryable || error.code === 'KV_CLOSED');
        if (!mayPass) throw error;
      }
      await this.#pause();
    }
    return false;
  }

  #pause(): Promise<void> {
    if (this.#isStopped) return Promise.resolve();
    return new Promise((resolve) => {
      this.#endPause = resolve;
      this.#timer = this.#clock.setTimer(RETRY_MS, resolve);
    });
  }
}
