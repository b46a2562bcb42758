/**
 * A Bloom filter: says for most keys that are not in a table that they are not, without reading it, and
 * never so for one that is. 12 bits a key and 7 probes: 3.3 wrong "maybe" in a thousand, and one more
 * for each 4 million keys of a table, since keys of one hash cannot be told apart.
 */

const BITS_PER_KEY = 12;
const PROBES = 7;

/** Takes the keys of a table while it is written. */
export class BloomFilterBuilder {
  readonly #bits: Uint8Array;

  /**
   * `expectedKeys`: at most so many will be added. Why it must be known: setting the bits of ten million
   * keys at the end would hold up the event loop for half a second.
   */
  constructor(expectedKeys: number) {
    this.#bits = new Uint8Array(Math.max(8, Math.ceil((expectedKeys * BITS_PER_KEY) / 8)));
  }

  add(key: Uint8Array): void {
    const bits = this.#bits;
    let hash = hashKey(key);
    const step = stepOf(hash);
    for (let probe = 0; probe < PROBES; probe++) {
      const bit = positionOf(hash, bits.length);
      bits[bit >>> 3] = (bits[bit >>> 3] as number) | (1 << (bit & 7));
      hash = (hash + step) >>> 0;
    }
  }

  /** The filter's bits. */
  finish(): Uint8Array {
    return this.#bits;
  }
}

/** In the place of a filter that is not used: every key may be there. */
export function fullFilter(): Uint8Array {
  return new Uint8Array(8).fill(0xff);
}

/** Whether a table with this filter may hold a key of this hash. */
export function mayContain(bits: Uint8Array, keyHash: number): boolean {
  let hash = keyHash;
  const step = stepOf(hash);
  for (let probe = 0; probe < PROBES; probe++) {
    const bit = positionOf(hash, bits.length);
    if (((bits[bit >>> 3] as number) & (1 << (bit & 7))) === 0) return false;
    hash = (hash + step) >>> 0;
  }
  return true;
}

/**
 * MurmurHash3 x86 32 with seed 0, the hash of the filter's format.
 * Source: Austin Appleby, MurmurHash3, public domain.
 */
export function hashKey(key: Uint8Array): number {
  const blocksEnd = key.length & ~3;
  let hash = 0;
  for (let at = 0; at < blocksEnd; at += 4) {
    const low = (key[at] as number) | ((key[at + 1] as number) << 8);
    const high = (key[at + 2] as number) | ((key[at + 3] as number) << 8);
    hash ^= scramble(low | (high << 16));
    hash = (hash << 13) | (hash >>> 19);
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0;
  }
  let tail = 0;
  for (let at = key.length - 1; at >= blocksEnd; at--) tail = (tail << 8) | (key[at] as number);
  if (blocksEnd < key.length) hash ^= scramble(tail);
  hash ^= key.length;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function scramble(word: number): number {
  const mixed = Math.imul(word, 0xcc9e2d51);
  return Math.imul((mixed << 15) | (mixed >>> 17), 0x1b873593);
}

/**
 * Odd, so that the probes of a key differ. Why multiplied: rotated alone, a multiple of it was the hash again but for a few
 * bits, so that probes fell together; five to nine answers in a thousand were wrong.
 */
function stepOf(hash: number): number {
  return (Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) | 1) >>> 0;
}

/** Spreads 32 bits of hash over the filter's bits without a division. */
function positionOf(hash: number, sizeBytes: number): number {
  return Math.floor((hash / 0x1_0000_0000) * (sizeBytes * 8));
}
