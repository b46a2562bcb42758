import type { Clock } from '@holdfast/env';
import { KvError } from '@holdfast/kv';

/** Callers that may wait at once. */
const WAITER_LIMIT = 4096;

export interface PoolOptions {
  /** Most buffers that are out at once. */
  readonly count: number;
  /** Buffers out beyond which none is given as a spare; so many are kept for the next transfers. */
  readonly spareCount: number;
  readonly make: () => Uint8Array;
  readonly clock: Clock;
  readonly waitMs: number;
}

/**
 * Equal buffers for the transfers of a store, bounded in number. A transfer gets one at its start, for
 * which it may wait, and keeps it to its end; spares make it faster, and it never waits for one.
 *
 * Safety: so a transfer that has begun waits for no other one. A copy takes its read buffer first and
 * its write buffer second; who has both needs nothing more, so copies cannot wait in a circle.
 */
export class BufferPool {
  readonly #options: PoolOptions;
  readonly #idle: Uint8Array[] = [];
  readonly #waiters = new Set<(buffer: Uint8Array) => void>();
  #out = 0;

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  /** The buffer that a transfer begins with; waits in order of call. KV_BUSY after `waitMs`. */
  async acquire(): Promise<Uint8Array> {
    if (this.#out < this.#options.count) return this.#take();
    if (this.#waiters.size >= WAITER_LIMIT) throw busy();
    return await new Promise<Uint8Array>((resolve, reject) => {
      const take = (buffer: Uint8Array): void => {
        timer.cancel();
        resolve(buffer);
      };
      const timer = this.#options.clock.setTimer(this.#options.waitMs, () => {
        this.#waiters.delete(take);
        reject(busy());
      });
      this.#waiters.add(take);
    });
  }

  /** One more buffer, if few are out. */
  trySpare(): Uint8Array | undefined {
    const { count, spareCount } = this.#options;
    return this.#out < Math.min(count, spareCount) ? this.#take() : undefined;
  }

  /** In the place of a buffer that was lost on its way. */
  replacement(): Uint8Array {
    return this.#options.make();
  }

  /** Gives back what was given, once; nobody may touch it after it. */
  release(buffer: Uint8Array): void {
    for (const take of this.#waiters) {
      this.#waiters.delete(take);
      take(buffer);
      return;
    }
    this.#out--;
    if (this.#idle.length < this.#options.spareCount) this.#idle.push(buffer);
    else free(buffer);
  }

  #take(): Uint8Array {
    this.#out++;
    return this.#idle.pop() ?? this.#options.make();
  }
}

/** Why at once: a collection of the whole heap may be far away, and each buffer is a MiB. Shared memory waits for it. */
function free({ buffer }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer) buffer.transfer(0);
}

function busy(): KvError {
  return new KvError('KV_BUSY', 'too many transfers are under way; try again later');
}
