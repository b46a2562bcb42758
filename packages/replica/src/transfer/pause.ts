import type { Clock } from '@holdfast/env';

/** Waits between tries, one at a time, that can be ended for good. */
export class Pause {
  readonly #clock: Clock;
  #wake: (() => void) | undefined;
  #isEnded = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves after `delayMs`, or when `end` is called; at once after that. */
  async wait(delayMs: number): Promise<void> {
    if (this.#isEnded) return;
    await new Promise<void>((resolve) => {
      const timer = this.#clock.setTimer(delayMs, resolve);
      this.#wake = () => {
        timer.cancel();
        resolve();
      };
    });
    this.#wake = undefined;
  }

  /** Idempotent. */
  end(): void {
    this.#isEnded = true;
    this.#wake?.();
  }
}
