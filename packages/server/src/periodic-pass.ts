import type { Clock, Timer } from '@holdfast/env';
import type { Log } from './log.ts';

export interface PeriodicPassOptions<Report> {
  readonly clock: Clock;
  readonly log: Log;
  /** What the log calls it: `garbage collection`. */
  readonly name: string;
  readonly run: () => Promise<Report>;
  /** Pause between the end of one pass and the start of the next. */
  readonly intervalMs: number;
  readonly onReport?: (report: Report) => void;
}

export interface PeriodicPass {
  /** No further pass; resolves when the one that runs has ended. Idempotent. */
  stop(): Promise<void>;
}

/** Runs a whole pass every `intervalMs`, one at a time. A failed pass is logged and repeated in its turn. */
export function startPeriodicPass<Report>(options: PeriodicPassOptions<Report>): PeriodicPass {
  let stopped = false;
  let timer: Timer | undefined;
  let running: Promise<void> = Promise.resolve();

  const pass = async (): Promise<void> => {
    try {
      const report = await options.run();
      options.onReport?.(report);
    } catch (error) {
      if (!stopped) options.log.warn({ error }, `${options.name} failed, will be repeated`);
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
