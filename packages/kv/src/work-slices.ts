import type { Clock } from '@holdfast/env';

/** Keys that are looked at between two turns of the event loop: some milliseconds of work, all of it in memory. */
const SLICE_KEYS = 512;

/**
 * Counts work that may go on without ever waiting for a file, and says when the event loop must have its turn. Why counted
 * and not timed: so that the same steps are taken again, in simulation and under crash enumeration.
 */
export class WorkSlices {
  readonly #clock: Pick<Clock, 'turn'>;
  #keys = 0;

  constructor(clock: Pick<Clock, 'turn'>) {
    this.#clock = clock;
  }

  /** Counts work of so many keys. Where it was enough, a promise to be awaited before the next. */
  spend(keys: number): Promise<void> | undefined {
    this.#keys += keys;
    if (this.#keys < SLICE_KEYS) return undefined;
    this.#keys = 0;
    return this.#clock.turn();
  }
}
