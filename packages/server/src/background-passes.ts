import type { LocalStore } from '@holdfast/kv';
import type { ObjectStore } from '@holdfast/objects';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';
import { type PeriodicPass, startPeriodicPass } from './periodic-pass.ts';
import type { ServerConfig } from './server-config.ts';
import { reclaimSpace } from './space-reclaim.ts';

const COLLECT_INTERVAL_MS = 10 * 60_000;
/** How long a day of lifecycle rules is, unless the configuration says another. */
export const DAY_MS: number = 24 * 60 * 60_000;
/** Of a day: how often lifecycle rules are applied, and at most once a second. */
const LIFECYCLE_PASSES_PER_DAY = 24;
const LIFECYCLE_PAUSE_MS = 1000;

export interface BackgroundPasses {
  readonly config: ServerConfig;
  readonly log: Log;
  readonly kv: LocalStore;
  readonly objects: ObjectStore;
  readonly metrics: Metrics | undefined;
  /** Whether work that writes for the whole cluster is this node's: exactly one does it. */
  readonly leads: () => boolean;
}

/** What runs from time to time, until the stack is disposed. */
export function startBackgroundPasses(
  passes: BackgroundPasses,
  cleanup: AsyncDisposableStack,
): void {
  startCollector(passes, cleanup);
  startLifecycle(passes, cleanup);
}

function startCollector(
  { config, log, kv, objects, metrics, leads }: BackgroundPasses,
  cleanup: AsyncDisposableStack,
): void {
  const intervalMs = config.collectIntervalMs ?? COLLECT_INTERVAL_MS;
  if (intervalMs === 0) return;
  const collector = startPeriodicPass({
    clock: config.env.clock,
    log,
    name: 'garbage collection',
    run: async () => {
      // One node looks for garbage, all of them give back their own space.
      const report = leads() ? await objects.collectGarbage() : undefined;
      await reclaimSpace(kv);
      return report;
    },
    intervalMs,
    onReport: (report) => {
      if (report === undefined) return;
      metrics?.recordCollected({ passes: 1, ...report });
      if (report.deletedChunks > 0) log.info({ ...report }, 'garbage collected');
    },
  });
  stopUnawaited(collector, cleanup);
}

function startLifecycle(
  { config, log, objects, metrics, leads }: BackgroundPasses,
  cleanup: AsyncDisposableStack,
): void {
  if (config.lifecycle === false) return;
  const dayMs = config.lifecycleDayMs ?? DAY_MS;
  const lifecycle = startPeriodicPass({
    clock: config.env.clock,
    log,
    name: 'a pass of the lifecycle rules',
    run: async () => (leads() ? objects.runLifecycle() : undefined),
    intervalMs: Math.max(LIFECYCLE_PAUSE_MS, dayMs / LIFECYCLE_PASSES_PER_DAY),
    onReport: (report) => {
      if (report === undefined) return;
      metrics?.recordLifecycle({ passes: 1, ...report });
      const { expired, noncurrentExpired, markersRemoved, uploadsAborted } = report;
      const removed = expired + noncurrentExpired + markersRemoved + uploadsAborted;
      if (removed > 0) log.info({ ...report }, 'lifecycle rules applied');
    },
  });
  stopUnawaited(lifecycle, cleanup);
}

/** Why not waited for: closing the objects ends a pass at its next step, and waits for that. */
function stopUnawaited(pass: PeriodicPass, cleanup: AsyncDisposableStack): void {
  cleanup.defer(() => void pass.stop());
}
