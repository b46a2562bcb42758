import { compareBytes } from '@holdfast/bytes';
import type { IndexRecord } from './index-record.ts';
import type { IndexSource } from './index-source.ts';

interface Ranked {
  readonly source: IndexSource;
  /** Place in the list: among equal keys the lower one, the newer, counts. */
  readonly rank: number;
}

/**
 * Several sources as one. Where more than one has a key, the first of them in the list, the newest, is
 * the one that counts; the others are passed over. Tombstones are shown: they hide what is older.
 *
 * The sources are kept in the order of their keys. Why: neighbours mostly come from one source, the largest, and then a
 * step costs one comparison however many there are.
 */
export class MergeSource implements IndexSource {
  readonly #all: readonly Ranked[];
  readonly #reverse: boolean;
  /** Those that are not at their end, the next key first; equal keys by rank. */
  #order: Ranked[] = [];
  /** Whether the second source has the key of the first too; undefined where they were not compared. */
  #tied: boolean | undefined;

  constructor(newestFirst: readonly IndexSource[], reverse: boolean) {
    this.#all = newestFirst.map((source, rank) => ({ source, rank }));
    this.#reverse = reverse;
  }

  get key(): Uint8Array | undefined {
    return this.#order[0]?.source.key;
  }

  get record(): IndexRecord {
    return (this.#order[0] as Ranked).source.record;
  }

  seek(key: Uint8Array | undefined): Promise<void> | undefined {
    let waiting: Promise<void>[] | undefined;
    for (const { source } of this.#all) {
      const pending = source.seek(key);
      if (pending !== undefined) (waiting ??= []).push(pending);
    }
    this.#order = [...this.#all];
    return this.#reorder(this.#order.length, waiting);
  }

  advance(): Promise<void> | undefined {
    const passed = this.key;
    if (passed === undefined) return undefined;
    const order = this.#order;
    let moving = 1;
    if (this.#tied !== false) {
      while (moving < order.length && compareBytes(keyOf(order[moving]), passed) === 0) moving++;
    }
    let waiting: Promise<void>[] | undefined;
    for (let at = 0; at < moving; at++) {
      const pending = (order[at] as Ranked).source.advance();
      if (pending !== undefined) (waiting ??= []).push(pending);
    }
    return this.#reorder(moving, waiting);
  }

  /** Puts the first `moved` sources, whose keys have changed, where they belong among the others. */
  #reorder(moved: number, waiting: Promise<void>[] | undefined): Promise<void> | undefined {
    if (waiting !== undefined) return Promise.all(waiting).then(() => this.#sink(moved));
    this.#sink(moved);
    return undefined;
  }

  #sink(moved: number): void {
    const order = this.#order;
    this.#tied = undefined;
    // From the last: what stands behind each is in order already.
    for (let from = moved - 1; from >= 0; from--) {
      const each = order[from] as Ranked;
      if (each.source.key === undefined) {
        order.splice(from, 1);
        continue;
      }
      let at = from;
      let next = order[at + 1];
      while (next !== undefined && this.#isAfter(each, next)) {
        order[at] = next;
        at++;
        next = order[at + 1];
      }
      order[at] = each;
      // What the last comparison told is of the first two only where the first stayed the first.
      if (at > 0) this.#tied = undefined;
    }
  }

  /** Notes in `#tied` whether their keys are equal. */
  #isAfter(left: Ranked, right: Ranked): boolean {
    const order = compareBytes(keyOf(left), keyOf(right));
    this.#tied = order === 0;
    if (order === 0) return left.rank > right.rank;
    return this.#reverse ? order < 0 : order > 0;
  }
}

function keyOf(ranked: Ranked | undefined): Uint8Array {
  return (ranked as Ranked).source.key as Uint8Array;
}
