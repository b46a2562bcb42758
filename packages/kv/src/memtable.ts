import { compareBytes } from '@holdfast/bytes';
import type { IndexRecord } from './index-record.ts';
import type { IndexSource } from './index-source.ts';
import { KeySearch } from './key-search.ts';

/**
 * The newest part of the index: a B+ tree in memory, in byte order of internal keys. Deletes are
 * tombstones, so the tree only grows. `snapshot` costs nothing: nodes are owned by one tree, and a
 * tree that writes to a node it does not own copies it first.
 *
 * Keys and inline values are copied into slabs, so that a small key never keeps a large read buffer alive
 * and the size is known exactly.
 */

const NODE_CAPACITY = 32;
const SLAB_SIZE_BYTES: number = 64 * 1024;
/** Heap of one entry besides its bytes: two array objects, the record, two slots. Measured. */
const ENTRY_OVERHEAD_BYTES = 320;

type Node = Leaf | Inner;

interface Leaf {
  readonly owner: object;
  readonly keys: Uint8Array[];
  readonly records: IndexRecord[];
  readonly children?: undefined;
}

interface Inner {
  readonly owner: object;
  /** `keys[n]` is the smallest key of `children[n + 1]`. */
  readonly keys: Uint8Array[];
  readonly children: Node[];
}

interface Split {
  readonly separator: Uint8Array;
  readonly right: Node;
}

/** A state of the tree that stays as it is. */
export interface MemtableView {
  get(key: Uint8Array): IndexRecord | undefined;
  source(reverse: boolean): IndexSource;
}

export class Memtable implements MemtableView {
  #owner: object = {};
  readonly #search = new KeySearch();
  #root: Node = { owner: this.#owner, keys: [], records: [] };
  #slab: Uint8Array = new Uint8Array(0);
  #slabUsed = 0;
  #count = 0;
  #sizeBytes = 0;
  /** What the last `set` replaced. */
  #before: IndexRecord | undefined;

  /** Keys in the tree, tombstones included. */
  get count(): number {
    return this.#count;
  }

  /** Memory held, slabs and heap. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  get(key: Uint8Array): IndexRecord | undefined {
    return findIn(this.#search, this.#root, key);
  }

  /** Sets the key's record and gives the one before. What is bytes of both is copied. */
  set(key: Uint8Array, record: IndexRecord): IndexRecord | undefined {
    this.#before = undefined;
    const kept = record.kind === 'inline' ? { ...record, value: this.#keep(record.value) } : record;
    this.#search.reset();
    const split = this.#insert(this.#ownedRoot(), key, kept);
    if (split !== undefined) {
      const children = [this.#root, split.right];
      this.#root = { owner: this.#owner, keys: [split.separator], children };
    }
    return this.#before;
  }

  /** The tree as it is now; later writes do not show in it. */
  snapshot(): MemtableView {
    // Safety: from here on no node belongs to this tree, so every write copies its path first.
    this.#owner = {};
    const root = this.#root;
    return {
      get: (key) => findIn(this.#search, root, key),
      source: (reverse) => new MemtableSource(root, reverse),
    };
  }

  /** A source over the tree, which must not be written while it is used. */
  source(reverse: boolean): IndexSource {
    return new MemtableSource(this.#root, reverse);
  }

  #ownedRoot(): Node {
    this.#root = this.#own(this.#root);
    return this.#root;
  }

  #own(node: Node): Node {
    if (node.owner === this.#owner) return node;
    const keys = node.keys.slice();
    if (node.children === undefined) {
      return { owner: this.#owner, keys, records: node.records.slice() };
    }
    return { owner: this.#owner, keys, children: node.children.slice() };
  }

  #insert(node: Node, key: Uint8Array, record: IndexRecord): Split | undefined {
    if (node.children === undefined) return this.#insertInLeaf(node, key, record);
    const position = this.#search.upperBound(node.keys, key);
    const child = this.#own(node.children[position] as Node);
    node.children[position] = child;
    const split = this.#insert(child, key, record);
    if (split === undefined) return undefined;
    node.keys.splice(position, 0, split.separator);
    node.children.splice(position + 1, 0, split.right);
    if (node.children.length <= NODE_CAPACITY) return undefined;
    const half = node.children.length >>> 1;
    const children = node.children.splice(half);
    const keys = node.keys.splice(half);
    return {
      separator: node.keys.pop() as Uint8Array,
      right: { owner: this.#owner, keys, children },
    };
  }

  #insertInLeaf(leaf: Leaf, key: Uint8Array, record: IndexRecord): Split | undefined {
    const position = this.#search.lowerBound(leaf.keys, key);
    const there = leaf.keys[position];
    if (there !== undefined && compareBytes(there, key) === 0) {
      this.#before = leaf.records[position];
      leaf.records[position] = record;
      return undefined;
    }
    leaf.keys.splice(position, 0, this.#keep(key));
    leaf.records.splice(position, 0, record);
    this.#count++;
    this.#sizeBytes += ENTRY_OVERHEAD_BYTES;
    if (leaf.keys.length <= NODE_CAPACITY) return undefined;
    // Why: keys that arrive in order would leave half-empty leaves behind.
    const half = position === leaf.keys.length - 1 ? position : leaf.keys.length >>> 1;
    const right: Leaf = {
      owner: this.#owner,
      keys: leaf.keys.splice(half),
      records: leaf.records.splice(half),
    };
    return { separator: right.keys[0] as Uint8Array, right };
  }

  #keep(bytes: Uint8Array): Uint8Array {
    if (this.#slabUsed + bytes.length > this.#slab.length) {
      this.#slab = new Uint8Array(Math.max(SLAB_SIZE_BYTES, bytes.length));
      this.#slabUsed = 0;
      this.#sizeBytes += this.#slab.length;
    }
    const kept = this.#slab.subarray(this.#slabUsed, this.#slabUsed + bytes.length);
    kept.set(bytes);
    this.#slabUsed += bytes.length;
    return kept;
  }
}

/** Walks a tree in either direction with a stack of positions. */
class MemtableSource implements IndexSource {
  readonly #root: Node;
  readonly #search = new KeySearch();
  readonly #step: 1 | -1;
  readonly #parents: { readonly node: Inner; position: number }[] = [];
  #leaf: Leaf | undefined;
  #position = 0;

  constructor(root: Node, reverse: boolean) {
    this.#root = root;
    this.#step = reverse ? -1 : 1;
  }

  get key(): Uint8Array | undefined {
    return this.#leaf?.keys[this.#position];
  }

  get record(): IndexRecord {
    return (this.#leaf as Leaf).records[this.#position] as IndexRecord;
  }

  seek(key: Uint8Array | undefined): undefined {
    this.#parents.length = 0;
    this.#search.reset();
    let node = this.#root;
    while (node.children !== undefined) {
      const position = this.#positionIn(node.keys, key);
      this.#parents.push({ node, position });
      node = node.children[position] as Node;
    }
    this.#leaf = node;
    if (this.#step > 0)
      this.#position = key === undefined ? 0 : this.#search.lowerBound(node.keys, key);
    else
      this.#position =
        (key === undefined ? node.keys.length : this.#search.upperBound(node.keys, key)) - 1;
    this.#settle();
    return undefined;
  }

  advance(): undefined {
    this.#position += this.#step;
    this.#settle();
    return undefined;
  }

  #positionIn(keys: readonly Uint8Array[], key: Uint8Array | undefined): number {
    if (key !== undefined) return this.#search.upperBound(keys, key);
    return this.#step > 0 ? 0 : keys.length;
  }

  /** Goes on to the next leaf where the position has left this one. */
  #settle(): void {
    while (this.#leaf !== undefined && this.#leaf.keys[this.#position] === undefined) {
      this.#leaf = this.#nextLeaf();
      if (this.#leaf !== undefined) {
        this.#position = this.#step > 0 ? 0 : this.#leaf.keys.length - 1;
      }
    }
  }

  #nextLeaf(): Leaf | undefined {
    for (let top = this.#parents.at(-1); top !== undefined; top = this.#parents.at(-1)) {
      top.position += this.#step;
      let node = top.node.children[top.position];
      if (node === undefined) {
        this.#parents.pop();
        continue;
      }
      while (node.children !== undefined) {
        const position: number = this.#step > 0 ? 0 : node.children.length - 1;
        this.#parents.push({ node, position });
        node = node.children[position] as Node;
      }
      return node;
    }
    return undefined;
  }
}

function findIn(search: KeySearch, root: Node, key: Uint8Array): IndexRecord | undefined {
  let node = root;
  search.reset();
  while (node.children !== undefined) {
    node = node.children[search.upperBound(node.keys, key)] as Node;
  }
  const position = search.lowerBound(node.keys, key);
  const there = node.keys[position];
  return there !== undefined && compareBytes(there, key) === 0 ? node.records[position] : undefined;
}
