import type { BufferPool } from './buffer-pool.ts';

/** The buffers of one transfer: one from its start to its end, and spares while there are any. */
export class Lane {
  readonly #pool: BufferPool;
  #held = 1;
  /** Set only while this is the one buffer held. */
  #free: Uint8Array | undefined;
  #closed = false;

  constructor(pool: BufferPool, own: Uint8Array) {
    this.#pool = pool;
    this.#free = own;
  }

  /** Waits for a place among the transfers. KV_BUSY where none becomes free in time. */
  static async open(pool: BufferPool): Promise<Lane> {
    return new Lane(pool, await pool.acquire());
  }

  /** The transfer's own buffer if it is free, else a spare, else undefined: all it has are in use. */
  tryTake(): Uint8Array | undefined {
    const own = this.#free;
    this.#free = undefined;
    if (own !== undefined) return own;
    const spare = this.#pool.trySpare();
    if (spare !== undefined) this.#held++;
    return spare;
  }

  /** Gives back what `tryTake` gave, once; undefined where it was lost on its way. */
  giveBack(given: Uint8Array | undefined): void {
    const buffer = given ?? this.#pool.replacement();
    if (this.#held === 1 && !this.#closed) {
      this.#free = buffer;
      return;
    }
    this.#held--;
    this.#pool.release(buffer);
  }

  /** Ends the transfer; what is in use goes to the pool when it is given back. Idempotent. */
  close(): void {
    this.#closed = true;
    const free = this.#free;
    this.#free = undefined;
    if (free !== undefined) this.giveBack(free);
  }
}
