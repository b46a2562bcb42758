/**
 * Keys in order, each with a number that its owner gives it: a list linked both ways in flat arrays, with leaves of 64 nodes
 * over it for searching, and a hash table beside it for looking up one key. Keys are added and never removed, and a node
 * stays where it is, so a walk may go on while keys are added.
 *
 * A search goes through the beginnings of the leaves' first keys, six bytes of each, and through those keys where they begin
 * alike; and then through one leaf, in which each key has a tag: the four bytes behind what all keys between this leaf's
 * first and the next leaf's share. Why: beginnings and tags are in a few neighbouring lines of the processor's cache, and
 * each key is in one of its own that is mostly not there.
 *
 * The table is a hint that bounds its own work: a key that finds no place among a few slots stays out of it, and is found
 * through the leaves. So keys that somebody chose to have one hash cost no more than a search each.
 */

import { WordArena } from './word-arena.ts';

/** Words of a node; then the key. */
export const KEY_LENGTH = 0;
const HASH = 1;
export const VALUE = 2;
const PREVIOUS = 3;
export const NEXT = 4;
export const NODE_WORDS = 5;

/** Before all keys. */
export const HEAD = 1;
const LEAF_NODES = 64;
const FIRST_LEAVES = 4;
/** Of the keys of a leaf so many may have the tag of the one before, or tags are made anew when it is split. */
const TIES_BORNE = 8;
const FIRST_SLOTS = 64;
/** Slots in which a key may be. */
const SLOTS_TRIED = 16;

/** A node is named by a number; 0 is none. */
export class KeyList {
  readonly #arena: WordArena;
  #slots: Int32Array;
  /** Of each leaf, by its number: nodes in order, their tags, how many there are, and where in their keys the tags are. */
  #nodes: Int32Array;
  #tags: Uint32Array;
  #counts: Int32Array;
  #tagOffsets: Int32Array;
  /** Numbers of the leaves in the order of their keys, and how their first keys begin. */
  #order: Int32Array;
  #beginnings: Float64Array;
  #leaves = 1;
  #last: number = HEAD;
  #count = 0;
  /** Of the last search: the leaf's place in the order, and the place in the leaf behind what was found. */
  #foundLeaf = 0;
  #foundPlace = 0;

  /** Empty, with room for as much as `like` holds. */
  constructor(like?: KeyList) {
    this.#arena = new WordArena(like === undefined ? undefined : like.#arena);
    this.#slots = new Int32Array(slotsFor(like === undefined ? 0 : like.#count));
    const leaves = leavesFor(like === undefined ? 0 : like.#leaves);
    this.#nodes = new Int32Array(leaves * LEAF_NODES);
    this.#tags = new Uint32Array(leaves * LEAF_NODES);
    this.#counts = new Int32Array(leaves);
    this.#tagOffsets = new Int32Array(leaves);
    this.#order = new Int32Array(leaves);
    this.#beginnings = new Float64Array(leaves);
    this.#arena.reserve(NODE_WORDS);
    // The first leaf begins with the head: so every search finds a leaf.
    this.#nodes[0] = HEAD;
    this.#counts[0] = 1;
  }

  get count(): number {
    return this.#count;
  }

  /** Memory of keys, nodes, leaves and table, as far as they are needed for what is there. */
  get sizeBytes(): number {
    const leafBytes = LEAF_NODES * 8 + 20;
    return this.#arena.sizeBytes + slotsFor(this.#count) * 4 + leavesFor(this.#leaves) * leafBytes;
  }

  /** Memory of nodes and keys: what a walk over a list that is not written to any more needs. */
  get nodeBytes(): Uint8Array {
    return this.#arena.used;
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
    const before = this.#isLast(key) ? this.#standAtEnd() : this.#search(key, 0);
    const node = this.#arena.reserve(NODE_WORDS + ((key.length + 3) >>> 2));
    const { words, bytes } = this.#arena;
    const start = (node + NODE_WORDS) * 4;
    for (let at = 0; at < key.length; at++) bytes[start + at] = key[at] as number;
    words[node + KEY_LENGTH] = key.length;
    words[node + HASH] = keyHash;
    words[node + VALUE] = value;
    const next = words[before + NEXT] as number;
    words[node + PREVIOUS] = before;
    words[node + NEXT] = next;
    words[before + NEXT] = node;
    if (next === 0) this.#last = node;
    else words[next + PREVIOUS] = node;
    this.#enterLeaf(node, key);
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
    const start = (node + NODE_WORDS) * 4;
    return bytes.slice(start, start + (words[node + KEY_LENGTH] as number));
  }

  first(): number {
    return this.next(HEAD);
  }

  last(): number {
    return this.#last === HEAD ? 0 : this.#last;
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

  /** The last node whose key's order to `key` is below `passes`; notes its place. */
  #search(key: Uint8Array, passes: 0 | 1): number {
    const at = this.#leafOf(key);
    const leaf = this.#order[at] as number;
    const start = leaf * LEAF_NODES;
    const end = start + (this.#counts[leaf] as number);
    const tag = tagOf(key, 0, key.length, this.#tagOffsets[leaf] as number);
    const tags = this.#tags;
    // The head is before every key, an empty one too.
    let low = at === 0 ? start + 1 : start;
    for (let high = end; low < high; ) {
      const middle = (low + high) >>> 1;
      if ((tags[middle] as number) < tag) low = middle + 1;
      else high = middle;
    }
    // Those of the same tag, by their keys. Mostly there is none.
    if (low < end && tags[low] === tag) low = this.#searchTied(key, low, end, passes);
    this.#foundLeaf = at;
    this.#foundPlace = low - start;
    if (low > start) return this.#nodes[low - 1] as number;
    return this.#arena.words[(this.#nodes[start] as number) + PREVIOUS] as number;
  }

  /** The first place from `from` on whose tag is another than at `from`, or whose key's order is not below `passes`. */
  #searchTied(key: Uint8Array, from: number, end: number, passes: 0 | 1): number {
    const tag = this.#tags[from] as number;
    let low = from;
    for (let high = end; low < high; ) {
      const middle = (low + high) >>> 1;
      const passed =
        this.#tags[middle] === tag && this.#compare(this.#nodes[middle] as number, key) < passes;
      if (passed) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /**
   * Place in the order of the last leaf whose first key is not above `key`. Keys between two others share with `key` what
   * both of those share with it, and that is not compared again: keys of one bucket begin alike.
   */
  #leafOf(key: Uint8Array): number {
    const { words, bytes } = this.#arena;
    const beginnings = this.#beginnings;
    const beginning = beginningOf(key, 0, key.length);
    let low = 0;
    let high = this.#leaves;
    let lowShared = 0;
    let highShared = 0;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      const begins = beginnings[middle] as number;
      if (begins !== beginning) {
        if (begins < beginning) low = middle;
        else high = middle;
        continue;
      }
      const node = this.#nodes[(this.#order[middle] as number) * LEAF_NODES] as number;
      const length = words[node + KEY_LENGTH] as number;
      const start = (node + NODE_WORDS) * 4;
      const common = length < key.length ? length : key.length;
      let at = lowShared < highShared ? lowShared : highShared;
      while (at < common && bytes[start + at] === key[at]) at++;
      const order =
        at < common ? (bytes[start + at] as number) - (key[at] as number) : length - key.length;
      if (order <= 0) {
        low = middle;
        lowShared = at;
      } else {
        high = middle;
        highShared = at;
      }
    }
    return low;
  }

  #isLast(key: Uint8Array): boolean {
    return this.#last === HEAD || this.#compare(this.#last, key) < 0;
  }

  /** As a search for a key behind all others. */
  #standAtEnd(): number {
    this.#foundLeaf = this.#leaves - 1;
    this.#foundPlace = this.#counts[this.#order[this.#foundLeaf] as number] as number;
    return this.#last;
  }

  /** The order of the node's key to `key`. */
  #compare(node: number, key: Uint8Array): number {
    const { words, bytes } = this.#arena;
    const length = words[node + KEY_LENGTH] as number;
    const start = (node + NODE_WORDS) * 4;
    const common = length < key.length ? length : key.length;
    let at = 0;
    while (at < common && bytes[start + at] === key[at]) at++;
    return at < common ? (bytes[start + at] as number) - (key[at] as number) : length - key.length;
  }

  /** Puts a new node into the place that the last search has found. */
  #enterLeaf(node: number, key: Uint8Array): void {
    if (this.#counts[this.#order[this.#foundLeaf] as number] === LEAF_NODES) this.#split();
    const leaf = this.#order[this.#foundLeaf] as number;
    const count = this.#counts[leaf] as number;
    const start = leaf * LEAF_NODES;
    const place = start + this.#foundPlace;
    const nodes = this.#nodes;
    const tags = this.#tags;
    // Not `copyWithin`, which takes longer to be called than to move a leaf.
    for (let to = start + count; to > place; to--) {
      nodes[to] = nodes[to - 1] as number;
      tags[to] = tags[to - 1] as number;
    }
    nodes[place] = node;
    tags[place] = tagOf(key, 0, key.length, this.#tagOffsets[leaf] as number);
    this.#counts[leaf] = count + 1;
  }

  /** Makes two leaves of the full one that was found, and leads on to the one of them where the place is. */
  #split(): void {
    const at = this.#foundLeaf;
    const leaf = this.#order[at] as number;
    // Behind the last key of all a leaf stays full: keys that come in their order are not moved.
    const isEnd = this.#foundPlace === LEAF_NODES && at === this.#leaves - 1;
    const kept = isEnd ? LEAF_NODES - 1 : LEAF_NODES / 2;
    const other = this.#addLeaf(at + 1);
    const start = leaf * LEAF_NODES;
    this.#nodes.copyWithin(other * LEAF_NODES, start + kept, start + LEAF_NODES);
    this.#beginnings[at + 1] = this.#beginningOf(this.#nodes[start + kept] as number);
    this.#tags.copyWithin(other * LEAF_NODES, start + kept, start + LEAF_NODES);
    this.#counts[leaf] = kept;
    this.#counts[other] = LEAF_NODES - kept;
    this.#tagOffsets[other] = this.#tagOffsets[leaf] as number;
    this.#renewTags(at);
    this.#renewTags(at + 1);
    if (this.#foundPlace <= kept) return;
    this.#foundLeaf = at + 1;
    this.#foundPlace -= kept;
  }

  /** A new leaf's number; it is at `at` in the order. */
  #addLeaf(at: number): number {
    const leaf = this.#leaves;
    if (leaf === this.#counts.length) {
      this.#nodes = doubled(this.#nodes, Int32Array);
      this.#tags = doubled(this.#tags, Uint32Array);
      this.#counts = doubled(this.#counts, Int32Array);
      this.#tagOffsets = doubled(this.#tagOffsets, Int32Array);
      this.#order = doubled(this.#order, Int32Array);
      this.#beginnings = doubled(this.#beginnings, Float64Array);
    }
    this.#order.copyWithin(at + 1, at, leaf);
    this.#beginnings.copyWithin(at + 1, at, leaf);
    this.#order[at] = leaf;
    this.#leaves++;
    return leaf;
  }

  /** Makes the tags of a leaf anew where they tell too little and can tell more. */
  #renewTags(at: number): void {
    const leaf = this.#order[at] as number;
    const start = leaf * LEAF_NODES;
    const end = start + (this.#counts[leaf] as number);
    let ties = 0;
    for (let place = start + 1; place < end; place++) {
      if (this.#tags[place] === this.#tags[place - 1]) ties++;
    }
    // Behind the last leaf there may come anything.
    if (ties <= TIES_BORNE || at === this.#leaves - 1) return;
    const next = this.#nodes[(this.#order[at + 1] as number) * LEAF_NODES] as number;
    const offset = this.#sharedBy(this.#nodes[start] as number, next);
    if (offset === this.#tagOffsets[leaf]) return;
    this.#tagOffsets[leaf] = offset;
    const { words, bytes } = this.#arena;
    for (let place = start; place < end; place++) {
      const node = this.#nodes[place] as number;
      const keyStart = (node + NODE_WORDS) * 4;
      const keyEnd = keyStart + (words[node + KEY_LENGTH] as number);
      this.#tags[place] = tagOf(bytes, keyStart, keyEnd, offset);
    }
  }

  #beginningOf(node: number): number {
    const { words, bytes } = this.#arena;
    const start = (node + NODE_WORDS) * 4;
    return beginningOf(bytes, start, start + (words[node + KEY_LENGTH] as number));
  }

  /** Bytes with which both keys begin. */
  #sharedBy(left: number, right: number): number {
    const { words, bytes } = this.#arena;
    const lengths = [words[left + KEY_LENGTH] as number, words[right + KEY_LENGTH] as number];
    const common = Math.min(...lengths);
    const leftStart = (left + NODE_WORDS) * 4;
    const rightStart = (right + NODE_WORDS) * 4;
    let at = 0;
    while (at < common && bytes[leftStart + at] === bytes[rightStart + at]) at++;
    return at;
  }

  #hasKey(node: number, key: Uint8Array): boolean {
    const { words, bytes } = this.#arena;
    if (words[node + KEY_LENGTH] !== key.length) return false;
    const start = (node + NODE_WORDS) * 4;
    let at = 0;
    while (at < key.length && bytes[start + at] === key[at]) at++;
    return at === key.length;
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
    // In the order of memory, which is read ahead, and not of keys.
    const end = this.#arena.sizeBytes / 4;
    const { words } = this.#arena;
    for (let node = HEAD + NODE_WORDS; node < end; ) {
      this.#enterSlot(node);
      node += NODE_WORDS + (((words[node + KEY_LENGTH] as number) + 3) >>> 2);
    }
  }
}

function slotsFor(count: number): number {
  return doubledUpTo(FIRST_SLOTS, count * 2);
}

function leavesFor(leaves: number): number {
  return doubledUpTo(FIRST_LEAVES, leaves);
}

/** `first`, doubled until it is not less than `least`. */
function doubledUpTo(first: number, least: number): number {
  let size = first;
  while (size < least) size *= 2;
  return size;
}

/** Four bytes of the key in [start, end) from `offset` of it on, as a number of their order; zeros behind its end. */
function tagOf(bytes: Uint8Array, start: number, end: number, offset: number): number {
  const at = start + offset;
  if (at + 4 <= end) {
    const high = ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
    const low = ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number);
    return ((high << 16) | low) >>> 0;
  }
  let tag = 0;
  for (let place = at; place < at + 4; place++) {
    tag = (tag << 8) | (place < end ? (bytes[place] as number) : 0);
  }
  return tag >>> 0;
}

/** As `tagOf`, of the first six bytes: a number that is still exact. */
function beginningOf(bytes: Uint8Array, start: number, end: number): number {
  return tagOf(bytes, start, end, 0) * 0x1_0000 + (tagOf(bytes, start, end, 4) >>> 16);
}

function doubled<Words extends Int32Array | Uint32Array | Float64Array>(
  words: Words,
  Type: new (length: number) => Words,
): Words {
  const larger = new Type(words.length * 2);
  larger.set(words);
  return larger;
}
