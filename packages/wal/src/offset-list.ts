import { InvariantError } from '@holdfast/bytes';

/** Byte offsets of a segment's records, in order, at four bytes each. */
export class OffsetList {
  #offsets: Uint32Array;
  #length: number;

  constructor(offsets: Uint32Array = new Uint32Array(256), length: number = 0) {
    this.#offsets = offsets;
    this.#length = length;
  }

  get length(): number {
    return this.#length;
  }

  get sizeBytes(): number {
    return this.#offsets.byteLength;
  }

  push(offset: number): void {
    if (this.#length === this.#offsets.length) {
      const grown = new Uint32Array(Math.max(256, this.#length * 2));
      grown.set(this.#offsets);
      this.#offsets = grown;
    }
    this.#offsets[this.#length++] = offset;
  }

  /** Offsets of so many records of one size, one right behind the other. */
  addRecords(offset: number, sizeBytes: number, count: number): void {
    for (let position = 0; position < count; position++) this.push(offset + position * sizeBytes);
  }

  at(position: number): number {
    if (!(position >= 0 && position < this.#length)) {
      throw new InvariantError(`no record at position ${position}`);
    }
    return this.#offsets[position] as number;
  }

  /** Forgets all but the first `length`. */
  trim(length: number): void {
    if (length < this.#length) this.#length = length;
  }
}
