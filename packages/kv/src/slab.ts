/** Memory that is given out piece after piece, and is garbage when no piece of it is used any more. */
export class Slab {
  readonly #sizeBytes: number;
  #bytes: Uint8Array = new Uint8Array(0);
  #used = 0;

  /** Pieces share buffers of this size: fewer buffers are cheaper than many, and keep each other longer. */
  constructor(sizeBytes: number) {
    this.#sizeBytes = sizeBytes;
  }

  take(length: number): Uint8Array {
    if (this.#used + length > this.#bytes.length) {
      this.#bytes = new Uint8Array(Math.max(this.#sizeBytes, length));
      this.#used = 0;
    }
    this.#used += length;
    return this.#bytes.subarray(this.#used - length, this.#used);
  }
}
