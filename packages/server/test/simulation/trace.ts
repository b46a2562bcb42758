/** Everything that happened, in 64 bits: two runs of a seed must have the same. */
export class Trace {
  #low = 0x811c9dc5;
  #high = 0x1b873593;
  #count = 0;
  readonly #print: ((line: string) => void) | undefined;

  /** `print`: is shown each event that is described in words. */
  constructor(print?: (line: string) => void) {
    this.#print = print;
  }

  get count(): number {
    return this.#count;
  }

  /** Only the integer part counts, modulo 2^32. */
  number(value: number): void {
    this.#count++;
    // FNV-1a over words, twice with other constants.
    this.#low = Math.imul(this.#low ^ value, 0x01000193);
    this.#high = Math.imul((this.#high ^ value) + this.#count, 0x85ebca6b);
  }

  event(text: string): void {
    for (let at = 0; at < text.length; at++) this.number(text.charCodeAt(at));
    this.#print?.(text);
  }

  get hash(): string {
    const hex = (word: number): string => (word >>> 0).toString(16).padStart(8, '0');
    return hex(this.#high) + hex(this.#low);
  }
}
