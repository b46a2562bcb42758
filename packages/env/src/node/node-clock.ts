import type { Clock, Timer } from '../clock.ts';

/** The machine's clock. Timers do not keep the process alive. */
export class NodeClock implements Clock {
  nowMs(): number {
    return Date.now();
  }

  monotonicMs(): number {
    return performance.now();
  }

  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      setTimeout(resolve, delayMs).unref();
    });
  }

  turn(): Promise<void> {
    return new Promise((resolve) => {
      setImmediate(resolve);
    });
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    const timeout = setTimeout(callback, delayMs).unref();
    return { cancel: () => clearTimeout(timeout) };
  }
}

const LONGEST_MS = 0x7fff_ffff;

/** Keeps the process alive until it is ended: for an entry point, since the clock's timers do not. */
export function keepProcessAlive(): void {
  setInterval(() => undefined, LONGEST_MS);
}
