import { BLOCK_SIZE_BYTES } from './table-format.ts';

/**
 * Blocks of tables in memory, at most `limitBytes` of them. Two generations: a hit in the old one moves to
 * the young one, and when the young one has half the budget the old one is forgotten. Why: that keeps
 * what is used, like least-recently-used order, and a hit costs one look-up.
 */
export class BlockCache {
  readonly #generationLimitBytes: number;
  /** Blocks that were asked for and not taken in, each where its key falls; 0 is none. */
  readonly #refused: Float64Array;
  #young = new Map<number, Uint8Array>();
  #old = new Map<number, Uint8Array>();
  #youngBytes = 0;
  #oldBytes = 0;

  constructor(limitBytes: number) {
    this.#generationLimitBytes = limitBytes / 2;
    this.#refused = new Float64Array(Math.ceil(limitBytes / BLOCK_SIZE_BYTES) | 1);
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
    if (this.#old.size === 0) return true;
    const key = keyOf(tableId, block);
    const place = key % this.#refused.length;
    if (this.#refused[place] === key) return true;
    this.#refused[place] = key;
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
