/**
 * Keys in order, each with a number that its owner gives it: a skip list in flat arrays, with a hash table beside it for
 * looking up one key. Keys are added and never removed, so a walk may go on while keys are added.
 *
 * The table is a hint that bounds its own work: a key that finds no place among a few slots stays out of it, and is found
 * through the list. So keys that somebody chose to have one hash cost no more than a search of the list each.
 */

import { WordArena } from './word-arena.ts';

/** Words of a node; then the next node of each level that it is in; then the key, in the same or the next cache line. */
const KEY_LENGTH = 0;
/** Byte offset of the key in the arena. */
const KEY_START = 1;
const HASH = 2;
const VALUE = 3;
const PREVIOUS = 4;
const NEXT = 5;

/** One node in four is in the next level: enough levels for sixteen million keys. */
const LEVELS = 12;
const HEAD = 1;
const FIRST_SLOTS = 64;
/** Slots in which a key may be. */
const SLOTS_TRIED = 16;

/** A node is named by a number; 0 is none. */
export class KeyList {
  readonly #arena = new WordArena();
  /** Of the last search: the node before the place, in each level. */
  readonly #before: Int32Array = new Int32Array(LEVELS).fill(HEAD);
  #slots: Int32Array = new Int32Array(FIRST_SLOTS);
  #levels = 1;
  #last = 0;
  #count = 0;
  #random = 0x9e37_79b9;

  constructor() {
    this.#arena.reserve(NEXT + LEVELS);
  }

  get count(): number {
    return this.#count;
  }

  /** Memory of keys, nodes and table. */
  get sizeBytes(): number {
    return this.#arena.sizeBytes + this.#slots.byteLength;
  }

  /** The node of a key; `keyHash` is `hashKey(key)`. */
  find(key: Uint8Array, keyHash: number): number {
    const { words } = this.#arena;
    const mask = this.#slots.length - 1;
    const hash = keyHash | 0;
    for (let tried = 0; tried < SLOTS_TRIED; tried++) {
      const node = this.#slots[(keyHash + tried) & mask] as number;
      if (node === 0) return 0;
      if (words[node + HASH] === hash && this.#hasKey(node, key)) return node;
    }
    const found = this.firstAtOrAfter(key);
    return found !== 0 && this.#hasKey(found, key) ? found : 0;
  }

  /** Adds a key that is not there. */
  add(key: Uint8Array, keyHash: number, value: number): void {
    this.#search(key, 0);
    const levels = this.#chooseLevels();
    const node = this.#arena.reserve(NEXT + levels + Math.ceil(key.length / 4));
    const { words, bytes } = this.#arena;
    const keyStart = (node + NEXT + levels) * 4;
    bytes.set(key, keyStart);
    words[node + KEY_LENGTH] = key.length;
    words[node + KEY_START] = keyStart;
    words[node + HASH] = keyHash;
    words[node + VALUE] = value;
    for (let level = 0; level < levels; level++) {
      const before = this.#before[level] as number;
      words[node + NEXT + level] = words[before + NEXT + level] as number;
      words[before + NEXT + level] = node;
    }
    words[node + PREVIOUS] = this.#before[0] as number;
    const next = words[node + NEXT] as number;
    if (next === 0) this.#last = node;
    else words[next + PREVIOUS] = node;
    this.#count++;
    if (this.#count * 2 > this.#slots.length) this.#rebuildSlots();
    else this.#enterSlot(node);
  }

  valueOf(node: number): number {
    return this.#arena.words[node + VALUE] as number;
  }

  setValue(node: number, value: number): void {
    this.#arena.words[node + VALUE] = value;
  }

  /** A copy of the key. */
  keyOf(node: number): Uint8Array {
    const { words, bytes } = this.#arena;
    const start = words[node + KEY_START] as number;
    return bytes.slice(start, start + (words[node + KEY_LENGTH] as number));
  }

  first(): number {
    return this.next(HEAD);
  }

  last(): number {
    return this.#last;
  }

  next(node: number): number {
    return this.#arena.words[node + NEXT] as number;
  }

  previous(node: number): number {
    const previous = this.#arena.words[node + PREVIOUS] as number;
    return previous === HEAD ? 0 : previous;
  }

  firstAtOrAfter(key: Uint8Array): number {
    return this.next(this.#search(key, 0));
  }

  lastAtOrBefore(key: Uint8Array): number {
    const node = this.#search(key, 1);
    return node === HEAD ? 0 : node;
  }

  /**
   * The last node whose key's order to `key` is below `passes`. Keys between two others share with `key` what both of
   * those share with it, and that is not compared again: keys of one bucket begin alike.
   */
  #search(key: Uint8Array, passes: 0 | 1): number {
    const { words, bytes } = this.#arena;
    let node = HEAD;
    let greater = 0;
    let lowShared = 0;
    let highShared = 0;
    for (let level = this.#levels - 1; level >= 0; level--) {
      for (;;) {
        const next = words[node + NEXT + level] as number;
        if (next === 0 || next === greater) break;
        const length = words[next + KEY_LENGTH] as number;
        const start = words[next + KEY_START] as number;
        const common = length < key.length ? length : key.length;
        let at = lowShared < highShared ? lowShared : highShared;
        while (at < common && bytes[start + at] === key[at]) at++;
        const order =
          at < common ? (bytes[start + at] as number) - (key[at] as number) : length - key.length;
        if (order >= passes) {
          greater = next;
          highShared = at;
          break;
        }
        node = next;
        lowShared = at;
      }
      this.#before[level] = node;
    }
    return node;
  }

  #hasKey(node: number, key: Uint8Array): boolean {
    const { words, bytes } = this.#arena;
    if (words[node + KEY_LENGTH] !== key.length) return false;
    const start = words[node + KEY_START] as number;
    let at = 0;
    while (at < key.length && bytes[start + at] === key[at]) at++;
    return at === key.length;
  }

  /** How many levels a new node is in. Repeats itself, and does not depend on the key. */
  #chooseLevels(): number {
    // xorshift32 (Marsaglia 2003).
    let random = this.#random;
    random ^= random << 13;
    random ^= random >>> 17;
    random ^= random << 5;
    this.#random = random;
    let levels = 1;
    while (levels < LEVELS && (random & 3) === 0) {
      levels++;
      random >>>= 2;
    }
    if (levels > this.#levels) this.#levels = levels;
    return levels;
  }

  #enterSlot(node: number): void {
    const mask = this.#slots.length - 1;
    const hash = this.#arena.words[node + HASH] as number;
    for (let tried = 0; tried < SLOTS_TRIED; tried++) {
      const slot = (hash + tried) & mask;
      if (this.#slots[slot] !== 0) continue;
      this.#slots[slot] = node;
      return;
    }
  }

  #rebuildSlots(): void {
    this.#slots = new Int32Array(this.#slots.length * 2);
    // Safety: all of them, those too that had found no place: an empty slot says that a key is not there.
    for (let node = this.first(); node !== 0; node = this.next(node)) this.#enterSlot(node);
  }
}
