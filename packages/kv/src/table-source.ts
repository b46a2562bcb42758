import { compareBytes } from '@holdfast/bytes';
import type { IndexRecord } from './index-record.ts';
import type { IndexSource } from './index-source.ts';
import type { Slab } from './slab.ts';
import type { SortedTable } from './sorted-table.ts';
import type { DecodedEntries } from './table-block.ts';
import { BlockGroups, keySlab } from './table-block.ts';

// Blocks that a walk reads at once when it needs the next: few at first, since most walks are short.
const READ_AHEAD_FIRST = 1;
const READ_AHEAD_MOST = 32;

export interface TableSourceOptions {
  readonly reverse: boolean;
  /** False for a merge: it reads everything once, and would push out what readers need. */
  readonly useCache: boolean;
  /** Where blocks are read that are not worth keeping; without it all that are read are kept. */
  readonly passing?: Slab | undefined;
}

/** A walk over one table. The caller keeps the table retained meanwhile. */
export class TableSource implements IndexSource {
  readonly #table: SortedTable;
  readonly #step: 1 | -1;
  readonly #useCache: boolean;
  readonly #passing: Slab | undefined;
  #ahead: Map<number, Uint8Array> = new Map();
  #readAhead: number = READ_AHEAD_FIRST;
  #block = -1;
  #groups: BlockGroups | undefined;
  #group = 0;
  #entries: DecodedEntries | undefined;
  #position = 0;
  #shared = 0;
  readonly #slab = keySlab();

  constructor(table: SortedTable, options: TableSourceOptions) {
    this.#table = table;
    this.#step = options.reverse ? -1 : 1;
    this.#useCache = options.useCache;
    this.#passing = options.passing;
  }

  get key(): Uint8Array | undefined {
    return this.#entries?.keys[this.#position];
  }

  get record(): IndexRecord {
    return (this.#entries as DecodedEntries).recordAt(this.#position);
  }

  get shared(): number {
    return this.#shared;
  }

  seek(key: Uint8Array | undefined): Promise<void> | undefined {
    const last = this.#table.blockCount - 1;
    let block: number;
    if (key === undefined) block = this.#step > 0 ? 0 : last;
    else {
      block = this.#table.blockOf(key);
      if (this.#step < 0 && block > last) block = last;
    }
    if (block !== this.#block) this.#readAhead = READ_AHEAD_FIRST;
    return this.#enter(block, key);
  }

  advance(): Promise<void> | undefined {
    const entries = this.#entries;
    if (entries === undefined) return undefined;
    const passed = this.#position;
    this.#position += this.#step;
    if (entries.keys[this.#position] === undefined) return this.#leaveGroup();
    this.#shared = entries.shared[this.#step > 0 ? this.#position : passed] as number;
    return undefined;
  }

  /** To the group that follows in the direction of the walk, in this block or the next one. */
  #leaveGroup(): Promise<void> | undefined {
    const group = this.#group + this.#step;
    if (group < 0 || group >= (this.#groups as BlockGroups).count) {
      return this.#enter(this.#block + this.#step, undefined);
    }
    return this.#standIn(group, undefined);
  }

  /** Stands at `key` in the block, or at the block's start where there is none. */
  #enter(block: number, key: Uint8Array | undefined): Promise<void> | undefined {
    if (block < 0 || block >= this.#table.blockCount) {
      this.#entries = undefined;
      this.#block = -1;
      return undefined;
    }
    if (block === this.#block) return this.#stand(key);
    const bytes =
      this.#ahead.get(block) ??
      (this.#useCache ? this.#table.blockNow(block, this.#passing) : undefined);
    if (bytes === undefined) return this.#load(block, key);
    this.#use(block, bytes);
    return this.#stand(key);
  }

  async #load(block: number, key: Uint8Array | undefined): Promise<void> {
    const from = this.#step > 0 ? block : Math.max(0, block - this.#readAhead + 1);
    const to =
      this.#step > 0 ? Math.min(this.#table.blockCount, block + this.#readAhead) : block + 1;
    const blocks = await this.#table.readBlocks(from, to, !this.#useCache);
    if (this.#useCache) this.#table.keepBlocks(from, blocks);
    this.#ahead = new Map(blocks.map((bytes, at) => [from + at, bytes]));
    this.#readAhead = Math.min(READ_AHEAD_MOST, this.#readAhead * 4);
    this.#use(block, blocks[block - from] as Uint8Array);
    const pending = this.#stand(key);
    if (pending !== undefined) await pending;
  }

  #use(block: number, bytes: Uint8Array): void {
    this.#groups = this.#readable(() => new BlockGroups(bytes, this.#slab));
    this.#block = block;
  }

  #stand(key: Uint8Array | undefined): Promise<void> | undefined {
    const groups = this.#groups as BlockGroups;
    if (key !== undefined)
      return this.#standIn(
        this.#readable(() => groups.groupOf(key)),
        key,
      );
    return this.#standIn(this.#step > 0 ? 0 : groups.count - 1, undefined);
  }

  /** Stands at `key` in the group, or at the group's start; where it ends before that, at what follows. */
  #standIn(group: number, key: Uint8Array | undefined): Promise<void> | undefined {
    const groups = this.#groups as BlockGroups;
    const entries = this.#readable(() => groups.decode(group));
    const { keys } = entries;
    this.#entries = entries;
    this.#group = group;
    this.#shared = 0;
    if (key === undefined) this.#position = this.#step > 0 ? 0 : keys.length - 1;
    else this.#position = this.#step > 0 ? firstAtOrAfter(keys, key) : lastAtOrBefore(keys, key);
    return keys[this.#position] === undefined ? this.#leaveGroup() : undefined;
  }

  #readable<Result>(read: () => Result): Result {
    try {
      return read();
    } catch (cause) {
      const what = 'a block with a right checksum cannot be read';
      throw this.#table.corrupt(this.#block, what, cause);
    }
  }
}

function firstAtOrAfter(keys: readonly Uint8Array[], key: Uint8Array): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareBytes(keys[middle] as Uint8Array, key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function lastAtOrBefore(keys: readonly Uint8Array[], key: Uint8Array): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareBytes(keys[middle] as Uint8Array, key) <= 0) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
