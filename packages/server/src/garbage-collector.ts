import type { Clock, Timer } from '@holdfast/env';
import type { GarbageReport } from '@holdfast/objects';
import type { Log } from './log.ts';

export interface GarbageCollectorOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly collect: () => Promise<GarbageReport>;
  /** Pause between the end of one pass and the start of the next. */
  readonly intervalMs: number;
  readonly onReport?: (report: GarbageReport) => void;
}

export interface GarbageCollector {
  /** No further pass; resolves when the one that runs has ended. Idempotent. */
  stop(): Promise<void>;
}

/** Runs a whole pass every `intervalMs`, one at a time. A failed pass is logged and repeated in its turn. */
export function startGarbageCollector(options: GarbageCollectorOptions): GarbageCollector {
  let stopped = false;
  let timer: Timer | undefined;
  let running: Promise<void> = Promise.resolve();

  const pass = async (): Promise<void> => {
    try {
      const report = await options.collect();
      options.onReport?.(report);
      if (report.deletedChunks > 0) options.log.info({ ...report }, 'garbage collected');
    } catch (error) {
      if (!stopped) options.log.warn({ error }, 'garbage collection failed, will be repeated');
    }
    schedule();
  };
  const schedule = (): void => {
    if (stopped) return;
    timer = options.clock.setTimer(options.intervalMs, () => {
      running = pass();
    });
  };
  schedule();
  return {
    stop: () => {
      stopped = true;
      timer?.cancel();
      return running;
    },
  };
}
