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
 * The sources are kept in the order of their keys, and beside each stands how many bytes its key shares with the next one's. A
 * source that has stepped on says what its new key shares with its old one. Of two keys behind a third, the one that shares
 * more with it comes first; so most steps are decided by two numbers, and no byte that is known to be equal is compared.
 */
export class MergeSource implements IndexSource {
  readonly #all: readonly Ranked[];
  readonly #reverse: boolean;
  /** Those that are not at their end, the next key first; equal keys by rank. */
  #order: Ranked[] = [];
  /** Bytes with which the key at each place and the one behind it begin alike. Of the last place it says nothing. */
  #shared: number[] = [];

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
    this.#shared = this.#all.map(() => 0);
    return this.#reorder(this.#order.length, waiting);
  }

  advance(): Promise<void> | undefined {
    const order = this.#order;
    const passed = this.key;
    if (passed === undefined) return undefined;
    let moving = 1;
    while (moving < order.length && this.#isTied(moving, passed.length)) moving++;
    let waiting: Promise<void>[] | undefined;
    for (let at = 0; at < moving; at++) {
      const pending = (order[at] as Ranked).source.advance();
      if (pending !== undefined) (waiting ??= []).push(pending);
    }
    return this.#reorder(moving, waiting);
  }

  /** Whether the key at this place is the one before it, which has this length. */
  #isTied(place: number, length: number): boolean {
    return this.#shared[place - 1] === length && keyAt(this.#order, place).length === length;
  }

  /** Puts the first `moved` sources, whose keys have changed, where they belong among the others. */
  #reorder(moved: number, waiting: Promise<void>[] | undefined): Promise<void> | undefined {
    if (waiting !== undefined) return Promise.all(waiting).then(() => this.#sinkAll(moved));
    this.#sinkAll(moved);
    return undefined;
  }

  #sinkAll(moved: number): void {
    const order = this.#order;
    // From the last: what stands behind each is in order already.
    for (let from = moved - 1; from >= 0; from--) {
      const { source } = order[from] as Ranked;
      if (source.key === undefined) {
        order.splice(from, 1);
        this.#shared.splice(from, 1);
      } else if (from === moved - 1) this.#sink(from, source.shared ?? 0);
      else {
        // What the keys behind it share with the one that was passed is not known any more.
        this.#shared[from] = 0;
        this.#sink(from, 0);
      }
    }
  }

  /**
   * Moves a source to behind those whose keys come first. Invariant: `#shared` at its place is what the key behind it shares
   * with one before both, of which its own key begins with `alike` bytes at least; 0 and 0 say nothing of either.
   */
  #sink(from: number, known: number): void {
    const order = this.#order;
    const shared = this.#shared;
    const moved = order[from] as Ranked;
    const key = keyAt(order, from);
    let alike = known;
    let at = from;
    for (;;) {
      const nextAlike = shared[at] as number;
      if (at + 1 >= order.length || alike > nextAlike) break;
      const next = order[at + 1] as Ranked;
      const nextKey = keyAt(order, at + 1);
      const common = key.length < nextKey.length ? key.length : nextKey.length;
      while (alike < common && key[alike] === nextKey[alike]) alike++;
      // What the two share, in either order.
      shared[at] = alike;
      const difference =
        alike < common
          ? (key[alike] as number) - (nextKey[alike] as number)
          : key.length - nextKey.length;
      const staysBefore =
        difference === 0 ? moved.rank < next.rank : this.#reverse ? difference > 0 : difference < 0;
      if (staysBefore) break;
      order[at] = next;
      // Behind one that was passed just now there stands this one, and not the source that moves on.
      if (at > from) shared[at - 1] = nextAlike;
      at++;
    }
    order[at] = moved;
  }
}

function keyAt(order: readonly Ranked[], place: number): Uint8Array {
  return (order[place] as Ranked).source.key as Uint8Array;
}
