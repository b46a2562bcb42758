const FIRST_WORDS = 1024;
const SLACK = 1.125;

/** 32-bit words that are reserved in pieces and let go of together. Word 0 is never given out: 0 means none. */
export class WordArena {
  /** Replaced when the arena grows: read it anew after each `reserve`. */
  words: Int32Array;
  /** The same memory; the bytes of word `at` begin at `at * 4`. Replaced with `words`. */
  bytes: Uint8Array;
  #used = 1;

  /** With room for somewhat more than `like` holds: it would be copied for a single word more. */
  constructor(like?: WordArena) {
    const room = like === undefined ? 0 : Math.ceil(like.#used * SLACK);
    this.words = new Int32Array(Math.max(FIRST_WORDS, room));
    this.bytes = new Uint8Array(this.words.buffer);
  }

  /** Bytes reserved. */
  get sizeBytes(): number {
    return this.#used * 4;
  }

  /** The memory of all that is reserved. */
  get used(): Uint8Array {
    return this.bytes.subarray(0, this.sizeBytes);
  }

  /** Position of `count` words, all zero. */
  reserve(count: number): number {
    const at = this.#used;
    this.#used += count;
    if (this.#used > this.words.length) {
      const larger = new Int32Array(Math.max(this.words.length * 2, this.#used));
      larger.set(this.words);
      this.words = larger;
      this.bytes = new Uint8Array(larger.buffer);
    }
    return at;
  }
}
