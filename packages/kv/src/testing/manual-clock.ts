import type { Clock, Timer } from '@holdfast/env';

/** A clock that stands still until it is told to go on. */
export interface ManualClock extends Clock {
  /** Lets time pass and runs the timers that fall due, in order. */
  advance(elapsedMs: number): void;
}

interface Pending {
  readonly dueMs: number;
  readonly callback: () => void;
}

/** A clock for tests of ages and limits. It starts at 2026-01-01. */
export function createManualClock(): ManualClock {
  const startMs = Date.UTC(2026, 0, 1);
  const timers = new Set<Pending>();
  let elapsedMs = 0;
  const setTimer = (delayMs: number, callback: () => void): Timer => {
    const pending = { dueMs: elapsedMs + delayMs, callback };
    timers.add(pending);
    return { cancel: () => void timers.delete(pending) };
  };
  return {
    nowMs: () => startMs + elapsedMs,
    monotonicMs: () => elapsedMs,
    sleep: (delayMs) => new Promise((resolve) => setTimer(delayMs, resolve)),
    turn: () => Promise.resolve(),
    setTimer,
    advance(byMs) {
      elapsedMs += byMs;
      for (const timer of [...timers].sort((left, right) => left.dueMs - right.dueMs)) {
        if (timer.dueMs <= elapsedMs && timers.delete(timer)) timer.callback();
      }
    },
  };
}
