import { toHex } from '@holdfast/bytes';
import type { Clock } from '@holdfast/env';

interface Sighting {
  /** Of the intent's record. */
  readonly version: number;
  /** On this process's monotonic clock. */
  readonly sinceMs: number;
}

/**
 * For how long this process has seen each intent unchanged, pass by pass. In memory: some 100 bytes for each.
 *
 * Why not by the moment that is stored in the intent: it is of the clock of another node. One that is a day ahead would
 * give up every upload that lives elsewhere. A process that was started again counts anew.
 */
export class IntentAges {
  readonly #clock: Clock;
  /** By the blobId, in hexadecimal. */
  #before = new Map<string, Sighting>();
  #now = new Map<string, Sighting>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  beginPass(): void {
    this.#now = new Map();
  }

  /** Since the first pass that saw the intent at this version: 0 in that one. Milliseconds. */
  ageMs(blobId: Uint8Array, version: number): number {
    const id = toHex(blobId);
    const nowMs = this.#clock.monotonicMs();
    const seen = this.#before.get(id);
    const sighting = seen?.version === version ? seen : { version, sinceMs: nowMs };
    this.#now.set(id, sighting);
    return nowMs - sighting.sinceMs;
  }

  /** Forgets what the pass did not see. A pass that failed does not come here: it forgets nothing. */
  endPass(): void {
    this.#before = this.#now;
  }
}
