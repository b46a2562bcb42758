import { type Clock, type FileHandle, InPlaceTurns } from '@holdfast/env';

const PASSING_SIZE_BYTES: number = 16 * 1024;

/** Reads of tables that are done in place, where they are likely in the page cache. */
export class InPlaceReads {
  /** For a block that nobody keeps: larger than nearly all. Used again by every read into it. */
  readonly passing: Uint8Array = new Uint8Array(PASSING_SIZE_BYTES);
  readonly #clock: Clock;
  readonly #turns = new InPlaceTurns();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Fills `target`, or returns false: then it is to be read the other way, which also finds out what is wrong. */
  read(file: FileHandle, target: Uint8Array, position: number): boolean {
    if (file.readNow === undefined || !this.#turns.take()) return false;
    const startMs = this.#clock.monotonicMs();
    let got = 0;
    try {
      got = file.readNow(target, position);
    } catch {
      return false;
    }
    this.#turns.note(this.#clock.monotonicMs() - startMs);
    return got === target.length;
  }
}
