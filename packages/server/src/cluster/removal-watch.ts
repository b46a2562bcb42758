import type { Clock } from '@holdfast/env';
import type { Cluster } from '@holdfast/replica';
import type { Log } from '../log.ts';
import { type PeriodicPass, startPeriodicPass } from '../periodic-pass.ts';

const INTERVAL_MS = 5_000;

/** Logs once that this node was taken out, so that nobody looks for a fault of the network; and anew after it was added. */
export function watchRemoval(cluster: Cluster, clock: Clock, log: Log): PeriodicPass {
  let isSaid = false;
  const look = (): Promise<void> => {
    const { isRemoved, nodeId } = cluster.status();
    if (isRemoved && !isSaid) {
      log.warn({ nodeId }, 'this node was removed from its cluster: it serves nothing any more');
    }
    isSaid = isRemoved;
    return Promise.resolve();
  };
  const name = 'the look whether this node was removed';
  return startPeriodicPass({ clock, log, name, run: look, intervalMs: INTERVAL_MS });
}
