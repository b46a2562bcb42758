/**
 * A set of states by a 64-bit hash of their numbers: 8 bytes for each place in an open-addressed table, at most two
 * thirds full. Two different states are taken for one with a chance of n^2 / 2^65: 3 in 10^8 for a million.
 */
export class StateSet {
  #slots = new Uint32Array(2 ** 17);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Returns false if it was there already. */
  add(numbers: readonly number[]): boolean {
    let high = 0x9e3779b9;
    let low = 0x85ebca6b;
    for (const value of numbers) {
      high = Math.imul(high ^ value, 0x01000193);
      high ^= high >>> 15;
      low = Math.imul(low ^ (value + 0x7f4a7c15), 0x5bd1e995);
      low ^= low >>> 13;
    }
    const isNew = insert(this.#slots, high >>> 0, mix(low) >>> 0 || 1);
    if (isNew && ++this.#size * 3 > this.#slots.length) this.#grow();
    return isNew;
  }

  #grow(): void {
    const old = this.#slots;
    this.#slots = new Uint32Array(old.length * 2);
    for (let at = 0; at < old.length; at += 2) {
      const low = old[at + 1] ?? 0;
      if (low !== 0) insert(this.#slots, old[at] ?? 0, low);
    }
  }
}

/** `low` is never 0: that marks a free place. */
function insert(slots: Uint32Array, high: number, low: number): boolean {
  const mask = slots.length / 2 - 1;
  for (let place = mix(high ^ low) & mask; ; place = (place + 1) & mask) {
    const found = slots[place * 2 + 1];
    if (found === 0) {
      slots[place * 2] = high;
      slots[place * 2 + 1] = low;
      return true;
    }
    if (found === low && slots[place * 2] === high) return false;
  }
}

function mix(value: number): number {
  let mixed = Math.imul(value ^ (value >>> 16), 0x45d9f3b);
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x45d9f3b);
  return mixed ^ (mixed >>> 16);
}
