import type { Clock } from '@holdfast/env';

/** Time that may be run up before it is slept off: shorter sleeps cost more than they smooth. */
const SLACK_MS = 20;

/** Keeps copying below a rate, so that it leaves the disk to reads and writes. */
export class CopyPace {
  readonly #clock: Clock;
  readonly #bytesPerSecond: number;
  #dueMs = 0;
  #hurried = false;
  #wake: (() => void) | undefined;

  /** `bytesPerSecond` of infinity never waits. */
  constructor(clock: Clock, bytesPerSecond: number) {
    this.#clock = clock;
    this.#bytesPerSecond = bytesPerSecond;
  }

  /** Resolves when `sizeBytes` more may be copied; undefined where that is at once. */
  spend(sizeBytes: number): Promise<void> | undefined {
    if (this.#hurried) return undefined;
    const nowMs = this.#clock.monotonicMs();
    this.#dueMs = Math.max(this.#dueMs, nowMs) + (sizeBytes * 1000) / this.#bytesPerSecond;
    const waitMs = this.#dueMs - nowMs;
    if (waitMs < SLACK_MS) return undefined;
    return new Promise((resolve) => {
      const timer = this.#clock.setTimer(waitMs, resolve);
      this.#wake = () => {
        timer.cancel();
        resolve();
      };
    });
  }

  /** Nothing waits from now on. */
  hurry(): void {
    this.#hurried = true;
    this.#wake?.();
  }
}
