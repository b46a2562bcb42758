import { InPlaceTurns } from '../in-place-turns.ts';

/** Calls that are done on the caller's thread for as long as they are fast, and by a thread of Node's pool otherwise. */
export class InPlaceCalls {
  readonly #turns = new InPlaceTurns();
  readonly #monotonicMs: () => number;

  constructor(monotonicMs: () => number = () => performance.now()) {
    this.#monotonicMs = monotonicMs;
  }

  /** `inPlace` and `threaded` do the same. Rejects with what either fails with. */
  async run<T>(inPlace: () => T, threaded: () => Promise<T>): Promise<T> {
    if (!this.#turns.take()) return await threaded();
    const startMs = this.#monotonicMs();
    try {
      return inPlace();
    } finally {
      this.#turns.note(this.#monotonicMs() - startMs);
    }
  }
}
