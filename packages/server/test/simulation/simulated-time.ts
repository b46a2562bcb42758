/** One time for a whole cluster, which jumps from one timer to the next, and the clocks of processes that live in it. */
import type { Clock, Timer } from '@holdfast/env';
import type { Trace } from './trace.ts';

interface Waiting extends Timer {
  readonly dueMs: number;
  readonly order: number;
  /** undefined: cancelled. */
  callback: (() => void) | undefined;
}

/** 2025-01-01T00:00:00Z, milliseconds since 1970. */
const START_MS = 1_735_689_600_000;

export class SimulatedTime implements Clock {
  #monotonicMs = 0;
  #order = 0;
  /** A heap, the earliest first; of timers due together, the one set first. */
  readonly #heap: Waiting[] = [];
  readonly #drain: () => Promise<void>;
  readonly #trace: Trace;

  /** `drain` resolves when nothing is left to do that needs no time. */
  constructor(drain: () => Promise<void>, trace: Trace) {
    this.#drain = drain;
    this.#trace = trace;
  }

  nowMs(): number {
    return START_MS + Math.floor(this.#monotonicMs);
  }

  monotonicMs(): number {
    return this.#monotonicMs;
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
    const waiting: Waiting = {
      dueMs: this.#monotonicMs + Math.max(0, delayMs),
      order: this.#order++,
      callback,
      cancel: () => {
        waiting.callback = undefined;
      },
    };
    this.#push(waiting);
    return waiting;
  }

  /** Fires what falls due until the condition holds, at most for so long. True where it held. */
  async runUntil(isDone: () => boolean, limitMs: number): Promise<boolean> {
    const endMs = this.#monotonicMs + limitMs;
    await this.#drain();
    for (;;) {
      if (isDone()) return true;
      const next = this.#heap[0];
      if (next === undefined || next.dueMs > endMs) break;
      this.#pop();
      if (next.callback === undefined) continue;
      this.#monotonicMs = next.dueMs;
      this.#trace.number(next.dueMs * 1000);
      next.callback();
      await this.#drain();
    }
    this.#monotonicMs = endMs;
    return isDone();
  }

  async run(forMs: number): Promise<void> {
    await this.runUntil(() => false, forMs);
  }

  #push(waiting: Waiting): void {
    const heap = this.#heap;
    let at = heap.length;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent] as Waiting;
      if (!isEarlier(waiting, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = waiting;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      const left = 2 * at + 1;
      if (left >= heap.length) break;
      const right = left + 1;
      const hasRight = right < heap.length;
      const child =
        hasRight && isEarlier(heap[right] as Waiting, heap[left] as Waiting) ? right : left;
      if (!isEarlier(heap[child] as Waiting, last)) break;
      heap[at] = heap[child] as Waiting;
      at = child;
    }
    heap[at] = last;
  }
}

function isEarlier(one: Waiting, other: Waiting): boolean {
  return one.dueMs < other.dueMs || (one.dueMs === other.dueMs && one.order < other.order);
}

/** The clock of one process: it stops with the process, waits while that is paused, and its wall time may jump. */
export class ProcessClock implements Clock {
  readonly #time: SimulatedTime;
  #isDead = false;
  /** While the process is paused: the timers that fell due. */
  #held: (() => void)[] | undefined;
  jumpedMs = 0;

  constructor(time: SimulatedTime) {
    this.#time = time;
  }

  nowMs(): number {
    return this.#time.nowMs() + this.jumpedMs;
  }

  monotonicMs(): number {
    return this.#time.monotonicMs();
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
    let isCancelled = false;
    const happen = (): void => {
      if (this.#isDead || isCancelled) return;
      if (this.#held === undefined) callback();
      else this.#held.push(happen);
    };
    const timer = this.#time.setTimer(delayMs, happen);
    return {
      cancel: () => {
        isCancelled = true;
        timer.cancel();
      },
    };
  }

  /** Nothing that was set, or is set from here on, ever happens. */
  die(): void {
    this.#isDead = true;
  }

  pause(): void {
    this.#held ??= [];
  }

  resume(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const happen of held) this.#time.setTimer(0, happen);
  }
}
