import { BLOCK_SIZE_BYTES } from './table-format.ts';

/** Of the blocks that fit: so many others a walk must have needed before it needs one for the second time. */
const WALKS_APART = 1 / 8;

/**
 * Blocks of tables in memory, at most `limitBytes` of them. Two generations: a hit in the old one moves to
 * the young one, and when the young one has half the budget the old one is forgotten. Why: that keeps
 * what is used, like least-recently-used order, and a hit costs one look-up.
 */
export class BlockCache {
  readonly #generationLimitBytes: number;
  /** Blocks that were asked for and not taken in, each where its key falls; 0 is none. */
  readonly #refused: Float64Array;
  /** What `#needs` was then. */
  readonly #refusedAt: Float64Array;
  /** Blocks that were asked for while they were not here. */
  #needs = 0;
  #young = new Map<number, Uint8Array>();
  #old = new Map<number, Uint8Array>();
  #youngBytes = 0;
  #oldBytes = 0;

  constructor(limitBytes: number) {
    this.#generationLimitBytes = limitBytes / 2;
    this.#refused = new Float64Array(Math.ceil(limitBytes / BLOCK_SIZE_BYTES) | 1);
    this.#refusedAt = new Float64Array(this.#refused.length).fill(Number.NEGATIVE_INFINITY);
  }

  get sizeBytes(): number {
    return this.#youngBytes + this.#oldBytes;
  }

  get(tableId: number, block: number): Uint8Array | undefined {
    const key = keyOf(tableId, block);
    const young = this.#young.get(key);
    if (young !== undefined) return young;
    const old = this.#old.get(key);
    if (old !== undefined) {
      this.#old.delete(key);
      this.#oldBytes -= old.length;
      this.#add(key, old);
    }
    return old;
  }

  /**
   * Whether a block that a look-up needs is worth its memory: always while there is room, and then when it is needed for the
   * second time of late. Why: a buffer for each block costs more than reading it, and most blocks of a large store are
   * forgotten before they are needed again.
   */
  admits(tableId: number, block: number): boolean {
    return this.#old.size === 0 || this.#neededBefore(keyOf(tableId, block), 0);
  }

  /**
   * The same of a block that a walk needs, in a store that has more blocks than fit: when it is needed again after some time. Why
   * not while there is room: a walk needs many, once, and memory that was not used yet costs more than reading
   * them. Why not when it is needed again soon: that says only that somebody has not finished with it.
   */
  admitsWalked(tableId: number, block: number): boolean {
    return this.#neededBefore(keyOf(tableId, block), this.#refused.length * WALKS_APART);
  }

  /** Whether tables of so many bytes are here as a whole once all of them was needed. */
  holdsAll(sizeBytes: number): boolean {
    return sizeBytes <= this.#generationLimitBytes;
  }

  /** Whether it was refused of late, and so many needs ago at least. */
  #neededBefore(key: number, needsAgo: number): boolean {
    this.#needs++;
    const place = key % this.#refused.length;
    const isLongAgo = this.#needs - (this.#refusedAt[place] as number) > needsAgo;
    if (this.#refused[place] === key) return isLongAgo;
    // Why not always: of two that fall on one place, and are needed one soon after the other, each would push the other out.
    if (isLongAgo) {
      this.#refused[place] = key;
      this.#refusedAt[place] = this.#needs;
    }
    return false;
  }

  set(tableId: number, block: number, bytes: Uint8Array): void {
    const key = keyOf(tableId, block);
    if (!this.#young.has(key)) this.#add(key, bytes);
  }

  #add(key: number, bytes: Uint8Array): void {
    if (bytes.length > this.#generationLimitBytes) return;
    if (this.#youngBytes + bytes.length > this.#generationLimitBytes) {
      this.#old = this.#young;
      this.#oldBytes = this.#youngBytes;
      this.#young = new Map();
      this.#youngBytes = 0;
    }
    this.#young.set(key, bytes);
    this.#youngBytes += bytes.length;
  }
}

// Why a number: one look-up, no string made. 2^24 blocks of 8 KiB are a table of 128 GiB.
function keyOf(tableId: number, block: number): number {
  return tableId * 0x100_0000 + block;
}
