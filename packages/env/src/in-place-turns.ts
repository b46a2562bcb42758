/** A call that took longer was not answered from memory. */
const SLOW_MS = 0.5;
/**
 * Calls that are left to threads after a slow one: a few, since one slow call may only say that the machine is busy;
 * eight times as many after each that follows, half as many after a fast one.
 */
const FIRST_DETOUR = 4;
const DETOUR_GROWTH = 8;
const LONGEST_DETOUR = 4096;
/** Done in place for so long, one call is left to a thread, so that the event loop gets its turn. */
const SLICE_MS = 2;

/**
 * Decides which calls of the file system are done in place, on the caller's thread. Why: what is in memory takes
 * microseconds, and handing it to a thread twenty and more. A device that is asked holds up the event loop, so as soon as
 * one call shows that it was, the next ones go to threads, and one now and then tries again.
 */
export class InPlaceTurns {
  #spentMs = 0;
  #detour = 0;
  #detoursLeft = 0;

  /** Whether the next call is done in place: then `note` says how long it took. Otherwise it counts as one left to a thread. */
  take(): boolean {
    if (this.#detoursLeft > 0) {
      this.#detoursLeft--;
      return false;
    }
    if (this.#spentMs < SLICE_MS) return true;
    this.#spentMs = 0;
    return false;
  }

  note(tookMs: number): void {
    this.#spentMs += tookMs;
    if (tookMs <= SLOW_MS) {
      this.#detour >>>= 1;
      return;
    }
    const longer = Math.max(FIRST_DETOUR, this.#detour * DETOUR_GROWTH);
    this.#detour = Math.min(LONGEST_DETOUR, longer);
    this.#detoursLeft = this.#detour;
  }
}
