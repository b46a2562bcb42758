import { monitorEventLoopDelay } from 'node:perf_hooks';

/** Between two samples. Why no shorter: each wakes the process, and an idle node of a cluster did little else. */
const SAMPLE_MS = 100;

/** How late the event loop is: a timer that is due every 100 ms says when it ran. */
export class LoopDelay {
  readonly #intervals = monitorEventLoopDelay({ resolution: SAMPLE_MS });

  constructor() {
    this.#intervals.enable();
  }

  close(): void {
    this.#intervals.disable();
  }

  /** 99th percentile since the last call, in seconds. */
  takeP99Seconds(): number {
    const seconds = lateSeconds(this.#intervals.percentile(99));
    this.#intervals.reset();
    return seconds;
  }
}

/** How much later than due a sample came, so many nanoseconds after the one before it. 0 where there was none. */
export function lateSeconds(intervalNs: number): number {
  return Math.max(0, intervalNs / 1e9 - SAMPLE_MS / 1000);
}
