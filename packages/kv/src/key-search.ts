/**
 * Binary search that does not compare again what it knows to be equal: keys between two others share with
 * the key that is looked for what both of those share with it. Keys of one bucket begin alike, so most of
 * a comparison is saved. A search may go on from a node to its child; `reset` begins another.
 */
export class KeySearch {
  /** Bytes shared with the greatest key known to be smaller, and with the smallest known to be greater. */
  #lowShared = 0;
  #highShared = 0;

  reset(): this {
    this.#lowShared = 0;
    this.#highShared = 0;
    return this;
  }

  /** Position of the first key at or after `key`. */
  lowerBound(keys: readonly Uint8Array[], key: Uint8Array): number {
    return this.#search(keys, key, 0);
  }

  /** Position of the first key after `key`. */
  upperBound(keys: readonly Uint8Array[], key: Uint8Array): number {
    return this.#search(keys, key, 1);
  }

  /** `passes`: keys whose order to `key` is below it lie before the position. */
  #search(keys: readonly Uint8Array[], key: Uint8Array, passes: 0 | 1): number {
    let low = 0;
    let high = keys.length;
    let lowShared = this.#lowShared;
    let highShared = this.#highShared;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = keys[middle] as Uint8Array;
      const common = other.length < key.length ? other.length : key.length;
      let at = lowShared < highShared ? lowShared : highShared;
      while (at < common && other[at] === key[at]) at++;
      const order =
        at < common ? (other[at] as number) - (key[at] as number) : other.length - key.length;
      if (order < passes) {
        low = middle + 1;
        lowShared = at;
      } else {
        high = middle;
        highShared = at;
      }
    }
    this.#lowShared = lowShared;
    this.#highShared = highShared;
    return low;
  }
}
