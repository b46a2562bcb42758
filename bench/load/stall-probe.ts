import { constants, monitorEventLoopDelay, PerformanceObserver } from 'node:perf_hooks';

const TICK_MS = 1;
const RESOLUTION_MS = 1;

/** Of an entry of the kind `gc`, which no exported type has. */
interface GcEntry {
  readonly detail: { readonly kind: number };
}

export interface Stalls {
  /** Longest delay of the event loop beyond the timer's resolution, as perf_hooks sees it. Milliseconds. */
  readonly longestMs: number;
  readonly p999Ms: number;
  /** Most processor time that this thread itself took between two turns. Milliseconds. */
  readonly longestOwnMs: number;
  /** Turns with more than 50 ms of wall time, and of the thread's own. */
  readonly over50: number;
  readonly ownOver50: number;
  readonly seconds: number;
  /** Share of the time in which the thread had work. */
  readonly utilization: number;
  /** Processor seconds of the whole process, all threads, in a second. */
  readonly cores: number;
  readonly longestGcMs: number;
  readonly majorGcs: number;
}

/** Watches the event loop from now until the returned function is called. */
export function watchStalls(): () => Stalls {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  let longestGcMs = 0;
  let majorGcs = 0;
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      longestGcMs = Math.max(longestGcMs, entry.duration);
      const { kind } = (entry as unknown as GcEntry).detail;
      if (kind === constants.NODE_PERFORMANCE_GC_MAJOR) majorGcs++;
    }
  });
  observer.observe({ entryTypes: ['gc'] });
  const ticks = { longestOwnMs: 0, over50: 0, ownOver50: 0 };
  let atMs = performance.now();
  let ownMs = ownTimeMs();
  const timer = setInterval(() => {
    const nowMs = performance.now();
    const nowOwnMs = ownTimeMs();
    const turnMs = nowOwnMs - ownMs;
    ticks.longestOwnMs = Math.max(ticks.longestOwnMs, turnMs);
    if (nowMs - atMs - TICK_MS > 50) ticks.over50++;
    if (turnMs > 50) ticks.ownOver50++;
    atMs = nowMs;
    ownMs = nowOwnMs;
  }, TICK_MS);
  const startMs = atMs;
  const utilization = performance.eventLoopUtilization();
  const cpu = process.cpuUsage();
  return () => {
    clearInterval(timer);
    delay.disable();
    observer.disconnect();
    const seconds = (performance.now() - startMs) / 1000;
    const { user, system } = process.cpuUsage(cpu);
    return {
      ...ticks,
      longestMs: delay.max / 1e6 - RESOLUTION_MS,
      p999Ms: delay.percentile(99.9) / 1e6 - RESOLUTION_MS,
      seconds,
      utilization: performance.eventLoopUtilization(utilization).utilization,
      cores: (user + system) / 1e6 / seconds,
      longestGcMs,
      majorGcs,
    };
  };
}

/** Processor time that this thread has had, in milliseconds; counted in steps of the scheduler. */
function ownTimeMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}
