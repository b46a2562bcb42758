import { randomFillSync, randomInt } from 'node:crypto';
import { invariant } from '@holdfast/bytes';
import type { Random } from '../random.ts';

const TWO_TO_32 = 0x1_0000_0000;
/** Drawn at once: a draw costs two microseconds however small it is. */
const POOL_BYTES = 4096;

/** The operating system's generator, fit for keys and tokens. */
export class NodeRandom implements Random {
  readonly #pool = new Uint8Array(POOL_BYTES);
  #used: number = POOL_BYTES;

  bytes(length: number): Uint8Array {
    if (length > POOL_BYTES / 8) return randomFillSync(new Uint8Array(length));
    if (this.#used + length > POOL_BYTES) {
      randomFillSync(this.#pool);
      this.#used = 0;
    }
    const start = this.#used;
    this.#used += length;
    const drawn = this.#pool.slice(start, this.#used);
    // Safety: what was handed out may be a key, and stays nowhere else.
    this.#pool.fill(0, start, this.#used);
    return drawn;
  }

  below(bound: number): number {
    invariant(Number.isInteger(bound) && bound >= 1 && bound <= TWO_TO_32, `not a bound: ${bound}`);
    return randomInt(bound);
  }
}
