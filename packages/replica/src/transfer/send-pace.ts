import type { Clock } from '@holdfast/env';

/** Time that may be run up before it is waited for: shorter waits cost more than they smooth. */
const SLACK_MS = 20;

/** Keeps what is sent to all receivers together below a rate, so that it leaves disk and network to reads and writes. */
export class SendPace {
  readonly #clock: Clock;
  readonly #bytesPerSecond: number;
  #dueMs = 0;

  constructor(clock: Clock, bytesPerSecond: number) {
    this.#clock = clock;
    this.#bytesPerSecond = bytesPerSecond;
  }

  /** Resolves when so many bytes more may be sent. */
  async spend(sizeBytes: number): Promise<void> {
    const nowMs = this.#clock.monotonicMs();
    this.#dueMs = Math.max(this.#dueMs, nowMs) + (sizeBytes * 1000) / this.#bytesPerSecond;
    const waitMs = this.#dueMs - nowMs;
    if (waitMs >= SLACK_MS) await this.#clock.sleep(waitMs);
  }
}
