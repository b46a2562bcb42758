/** Bits of one word of the key; a character of a string holds as many. */
const WORD_BITS = 16;
const FULL = 0xffff;

/**
 * A set of small integers whose `key()` is short where the set is nearly {0, 1, …, n}: which operations of a long
 * history are done is told by where the first one that is not stands, and by the few bits after it.
 */
export class OperationSet {
  readonly #words: Uint16Array;
  /** Words before it are full, and word `#end` and those after it are zero. */
  #firstOpen = 0;
  #end = 0;

  constructor(size: number) {
    this.#words = new Uint16Array(Math.ceil(size / WORD_BITS) + 1);
  }

  add(member: number): void {
    const at = Math.floor(member / WORD_BITS);
    this.#words[at] = this.#word(at) | (1 << (member % WORD_BITS));
    if (at >= this.#end) this.#end = at + 1;
    while (this.#word(this.#firstOpen) === FULL) this.#firstOpen += 1;
  }

  delete(member: number): void {
    const at = Math.floor(member / WORD_BITS);
    this.#words[at] = this.#word(at) & ~(1 << (member % WORD_BITS));
    if (at < this.#firstOpen) this.#firstOpen = at;
    while (this.#end > 0 && this.#word(this.#end - 1) === 0) this.#end -= 1;
  }

  has(member: number): boolean {
    const word = this.#word(Math.floor(member / WORD_BITS));
    return (word & (1 << (member % WORD_BITS))) !== 0;
  }

  /** Equal exactly for equal sets (of one capacity). */
  key(): string {
    const end = Math.max(this.#firstOpen, this.#end);
    const bits = String.fromCharCode(...this.#words.subarray(this.#firstOpen, end));
    return `${this.#firstOpen}:${bits}`;
  }

  #word(at: number): number {
    return this.#words[at] ?? 0;
  }
}
