import type { Random } from '@holdfast/env';

const ID_BYTES = 8;
const IDS_PER_DRAW = 256;

/** Ids of requests: 16 upper-case hexadecimal digits, drawn many at a time. */
export class RequestIds {
  readonly #random: Random;
  #digits = '';
  #position = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  next(): string {
    if (this.#position === this.#digits.length) {
      const bytes = this.#random.bytes(ID_BYTES * IDS_PER_DRAW);
      this.#digits = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
        .toString('hex')
        .toUpperCase();
      this.#position = 0;
    }
    const start = this.#position;
    this.#position += ID_BYTES * 2;
    return this.#digits.slice(start, this.#position);
  }
}
