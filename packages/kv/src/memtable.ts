import type { Clock } from '@holdfast/env';
import { hashKey } from './bloom-filter.ts';
import { ByteSlabs } from './byte-slabs.ts';
import type { IndexRecord } from './index-record.ts';
import type { IndexSource } from './index-source.ts';
import { KeyList } from './key-list.ts';
import type { MemtableCopy } from './memtable-copy.ts';
import { joined } from './memtable-copy.ts';
import { RecordVersions } from './record-versions.ts';

/** A state of the memtable that stays as it is. */
export interface MemtableView {
  /** `keyHash` is `hashKey(key)`. */
  get(key: Uint8Array, keyHash?: number): IndexRecord | undefined;
  source(reverse: boolean): IndexSource;
}

/**
 * The newest part of the index, in memory, in byte order of internal keys. Deletes are tombstones, so it only grows.
 * Everything is in a few flat arrays. Why: as objects, each entry cost 320 bytes of heap besides its own, and the garbage
 * collector went through all of them again and again.
 *
 * `snapshot` costs nothing: it begins an epoch, each record says in which epoch it was written, and one that replaces
 * a record of an earlier epoch leaves that one behind it.
 */
export class Memtable implements MemtableView {
  readonly #slabs = new ByteSlabs();
  readonly #keys: KeyList;
  readonly #records: RecordVersions;
  #epoch = 0;

  /**
   * Empty, with room for as much as `like` holds. Why: an array that has to grow is copied, and what it was before is garbage as
   * large; and the next memtable mostly becomes as large as the last. Memory that is not written to yet is not resident.
   */
  constructor(like?: Memtable) {
    this.#keys = new KeyList(like === undefined ? undefined : like.#keys);
    this.#records = new RecordVersions(this.#slabs, like === undefined ? undefined : like.#records);
  }

  /** Keys in it, tombstones included. */
  get count(): number {
    return this.#keys.count;
  }

  /** Memory used. */
  get sizeBytes(): number {
    if (this.#keys.count === 0) return 0;
    return this.#slabs.sizeBytes + this.#keys.sizeBytes + this.#records.sizeBytes;
  }

  /** Copies what is in it; it must not be written meanwhile. The event loop has its turns between. */
  async copy(clock: Pick<Clock, 'turn'>): Promise<MemtableCopy> {
    return {
      keys: await joined([this.#keys.nodeBytes], clock),
      records: await joined([this.#records.recordBytes], clock),
      values: await joined(this.#slabs.slabs, clock),
    };
  }

  get(key: Uint8Array, keyHash: number = hashKey(key)): IndexRecord | undefined {
    return this.#getAt(this.#epoch, key, keyHash);
  }

  /** Where the key is, which stays so; 0 where it is not. `keyHash` is `hashKey(key)`. */
  find(key: Uint8Array, keyHash: number): number {
    return this.#keys.find(key, keyHash);
  }

  /** The record of the key that is there. */
  recordAt(place: number): IndexRecord {
    return this.#records.read(this.#keys.valueOf(place));
  }

  /** Sets the key's record. What is bytes of both is copied. `place` is where `find` finds the key now. */
  set(
    key: Uint8Array,
    record: IndexRecord,
    keyHash: number = hashKey(key),
    place: number = this.find(key, keyHash),
  ): void {
    const older = place === 0 ? 0 : this.#keys.valueOf(place);
    const newest = this.#records.add(record, this.#epoch, older);
    if (place === 0) this.#keys.add(key, keyHash, newest);
    else this.#keys.setValue(place, newest);
  }

  /** The state as it is now; later writes do not show in it. */
  snapshot(): MemtableView {
    const epoch = this.#epoch++;
    return {
      get: (key, keyHash = hashKey(key)) => this.#getAt(epoch, key, keyHash),
      source: (reverse) => new MemtableSource(this.#keys, this.#records, { epoch, reverse }),
    };
  }

  /** A source over it, which must not be written while it is used. */
  source(reverse: boolean): IndexSource {
    return new MemtableSource(this.#keys, this.#records, { epoch: this.#epoch, reverse });
  }

  #getAt(epoch: number, key: Uint8Array, keyHash: number): IndexRecord | undefined {
    const node = this.#keys.find(key, keyHash);
    if (node === 0) return undefined;
    const seen = this.#records.seenAt(epoch, this.#keys.valueOf(node));
    return seen === 0 ? undefined : this.#records.read(seen);
  }
}

/** Walks the keys that an epoch sees, in either direction. */
class MemtableSource implements IndexSource {
  readonly #keys: KeyList;
  readonly #records: RecordVersions;
  readonly #epoch: number;
  readonly #reverse: boolean;
  #node = 0;
  #seen = 0;
  key: Uint8Array | undefined;

  constructor(
    keys: KeyList,
    records: RecordVersions,
    walk: { readonly epoch: number; readonly reverse: boolean },
  ) {
    this.#keys = keys;
    this.#records = records;
    this.#epoch = walk.epoch;
    this.#reverse = walk.reverse;
  }

  get record(): IndexRecord {
    return this.#records.read(this.#seen);
  }

  seek(key: Uint8Array | undefined): undefined {
    const keys = this.#keys;
    if (key === undefined) this.#settle(this.#reverse ? keys.last() : keys.first());
    else this.#settle(this.#reverse ? keys.lastAtOrBefore(key) : keys.firstAtOrAfter(key));
    return undefined;
  }

  advance(): undefined {
    if (this.#node !== 0) this.#settle(this.#step(this.#node));
    return undefined;
  }

  #step(node: number): number {
    return this.#reverse ? this.#keys.previous(node) : this.#keys.next(node);
  }

  /** Stands at the node, or at the first after it that the epoch sees. */
  #settle(from: number): void {
    let node = from;
    for (; node !== 0; node = this.#step(node)) {
      this.#seen = this.#records.seenAt(this.#epoch, this.#keys.valueOf(node));
      if (this.#seen !== 0) break;
    }
    this.#node = node;
    this.key = node === 0 ? undefined : this.#keys.keyOf(node);
  }
}
