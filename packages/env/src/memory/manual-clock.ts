import { invariant } from '@holdfast/bytes';
import type { Clock, Timer } from '../clock.ts';

interface PendingTimer extends Timer {
  readonly dueMs: number;
  readonly callback: () => void;
}

/** A clock that stands still until it is told to go on. */
export class ManualClock implements Clock {
  #nowMs: number;
  #monotonicMs = 0;
  /** In the order of due time; timers due together in the order in which they were set. */
  readonly #timers: PendingTimer[] = [];

  /** `startMs`: the first wall-clock time, milliseconds since 1970. Default 2025-01-01T00:00:00Z. */
  constructor(startMs: number = 1_735_689_600_000) {
    this.#nowMs = startMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  /** Timers that have neither fired nor been cancelled. */
  get pendingTimers(): number {
    return this.#timers.length;
  }

  /** Lets the wall clock jump, as an operator or NTP does. Durations and timers do not notice. */
  setNowMs(nowMs: number): void {
    this.#nowMs = nowMs;
  }

  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.setTimer(delayMs, resolve);
    });
  }

  turn(): Promise<void> {
    return Promise.resolve();
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    const timer: PendingTimer = {
      dueMs: this.#monotonicMs + Math.max(0, delayMs),
      callback,
      cancel: () => {
        const position = this.#timers.indexOf(timer);
        if (position >= 0) this.#timers.splice(position, 1);
      },
    };
    const later = this.#timers.findIndex((other) => other.dueMs > timer.dueMs);
    this.#timers.splice(later < 0 ? this.#timers.length : later, 0, timer);
    return timer;
  }

  /** Moves time and fires what falls due, in order, timers set by those callbacks included. */
  advance(byMs: number): void {
    invariant(byMs >= 0, `time does not go back: ${byMs}`);
    const untilMs = this.#monotonicMs + byMs;
    for (;;) {
      const next = this.#timers[0];
      if (next === undefined || next.dueMs > untilMs) break;
      this.#timers.shift();
      this.#moveTo(next.dueMs);
      next.callback();
    }
    this.#moveTo(untilMs);
  }

  #moveTo(monotonicMs: number): void {
    this.#nowMs += monotonicMs - this.#monotonicMs;
    this.#monotonicMs = monotonicMs;
  }
}
