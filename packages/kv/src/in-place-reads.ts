import type { Clock, FileHandle } from '@holdfast/env';

const PASSING_SIZE_BYTES: number = 16 * 1024;
/** A read that took longer found its bytes not in the page cache. */
const SLOW_MS = 0.5;
/**
 * Reads that are left to threads after a slow one: a few, since one slow read may only say that the machine is busy;
 * eight times as many after each that follows, half as many after a fast one.
 */
const FIRST_DETOUR = 4;
const DETOUR_GROWTH = 8;
const LONGEST_DETOUR = 4096;
/** Read in place for so long, one read is left to a thread, so that the event loop gets its turn. */
const SLICE_MS = 2;

/**
 * Decides which reads of tables are done in place. Why: a read from the page cache takes a microsecond or two, and
 * handing it to a thread twenty and more. A device that is asked holds up the event loop, so as soon as one
 * read shows that the bytes are not in memory, the next ones go to threads, and one now and then tries again.
 */
export class InPlaceReads {
  /** For a block that nobody keeps: larger than nearly all. Used again by every read into it. */
  readonly passing: Uint8Array = new Uint8Array(PASSING_SIZE_BYTES);
  readonly #clock: Clock;
  #spentMs = 0;
  #detour = 0;
  #detoursLeft = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Fills `target`, or returns false: then it is to be read the other way, which also finds out what is wrong. */
  read(file: FileHandle, target: Uint8Array, position: number): boolean {
    if (file.readNow === undefined || !this.#mayRead()) return false;
    const startMs = this.#clock.monotonicMs();
    let got = 0;
    try {
      got = file.readNow(target, position);
    } catch {
      return false;
    }
    this.#note(this.#clock.monotonicMs() - startMs);
    return got === target.length;
  }

  #mayRead(): boolean {
    if (this.#detoursLeft > 0) {
      this.#detoursLeft--;
      return false;
    }
    if (this.#spentMs < SLICE_MS) return true;
    this.#spentMs = 0;
    return false;
  }

  #note(tookMs: number): void {
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
