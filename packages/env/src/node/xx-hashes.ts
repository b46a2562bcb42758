import { createXXHash3, createXXHash64, createXXHash128, type IHasher } from 'hash-wasm';
import type { DigestAlgorithm } from '../digests.ts';

type XxAlgorithm = Extract<DigestAlgorithm, `xxhash${string}`>;

/** The xxHash family, seed 0, digests in canonical (big-endian) order. One a thread: it is in WebAssembly memory. */
export type XxHashes = Readonly<Record<XxAlgorithm, IHasher>>;

/** Compiles the three of them: some milliseconds. */
export async function loadXxHashes(): Promise<XxHashes> {
  const [xxhash64, xxhash3, xxhash128] = await Promise.all([
    createXXHash64(),
    createXXHash3(),
    createXXHash128(),
  ]);
  return { xxhash64, xxhash3, xxhash128 };
}

/**
 * One of many computations on the one hasher of the thread: its state is taken out between two updates. Why not a hasher
 * each: making one waits, and each has a memory of its own.
 */
export class RunningXxHash {
  readonly #hasher: IHasher;
  #state: Uint8Array;

  constructor(hasher: IHasher) {
    this.#hasher = hasher;
    this.#state = hasher.init().save();
  }

  update(bytes: Uint8Array): void {
    this.#state = this.#hasher.load(this.#state).update(bytes).save();
  }

  digest(): Uint8Array {
    return this.#hasher.load(this.#state).digest('binary');
  }
}
