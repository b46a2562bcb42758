import { compareBytes } from '@holdfast/bytes';
import type { LiveRecord } from './index-record.ts';
import { liveRecord } from './index-record.ts';
import type { IndexSource } from './index-source.ts';
import { USER_RANGE_END, USER_RANGE_START, userKey } from './key-space.ts';
import type { ScanOptions } from './kv-store.ts';
import type { WorkSlices } from './work-slices.ts';

/** An internal key and the record that it has. */
export interface Found {
  readonly key: Uint8Array;
  readonly record: LiveRecord;
}

/**
 * A walk over the user's keys in a range, without what is deleted. One call at a time. What lies in memory is walked over in
 * slices too, deleted keys and all: a promise where the event loop has its turn.
 */
export class RangeWalk {
  readonly #source: IndexSource;
  readonly #reverse: boolean;
  readonly #start: Uint8Array;
  readonly #end: Uint8Array;
  readonly #slices: WorkSlices;
  #target: Uint8Array | undefined;
  #started = false;

  constructor(source: IndexSource, range: Omit<ScanOptions, 'limit'>, slices: WorkSlices) {
    this.#slices = slices;
    this.#source = source;
    this.#reverse = range.reverse === true;
    this.#start = range.from === undefined ? USER_RANGE_START : userKey(range.from);
    this.#end = range.to === undefined ? USER_RANGE_END : userKey(range.to);
    this.#target = this.#reverse ? this.#end : this.#start;
  }

  /** The next entry `next` gives is the first at or past `key`; never one before where it stands. */
  seek(key: Uint8Array): void {
    const target = userKey(key);
    const from = this.#started ? this.#source.key : this.#target;
    if (from === undefined) return;
    const forward = compareBytes(target, from) * (this.#reverse ? -1 : 1) > 0;
    if (!forward) return;
    const pending = this.#target;
    if (pending === undefined || compareBytes(target, pending) * (this.#reverse ? -1 : 1) > 0) {
      this.#target = target;
    }
  }

  /** The next entry, or undefined at the end; a promise where a block must be read, or a turn given. */
  next(): Found | undefined | Promise<Found | undefined> {
    const pending = this.#move() ?? this.#slices.spend(1);
    return pending === undefined ? this.#settle() : pending.then(() => this.#settle());
  }

  /** To the next position: where `seek` said, or one on. */
  #move(): Promise<void> | undefined {
    const target = this.#target;
    this.#target = undefined;
    if (target !== undefined) {
      this.#started = true;
      return this.#source.seek(target);
    }
    return this.#source.advance();
  }

  /** Passes over what does not count. */
  #settle(): Found | undefined | Promise<Found | undefined> {
    for (let key = this.#source.key; key !== undefined; key = this.#source.key) {
      if (this.#isPastEnd(key)) return undefined;
      const record = this.#isExcluded(key) ? undefined : liveRecord(this.#source.record);
      if (record !== undefined) return { key, record };
      const pending = this.#source.advance() ?? this.#slices.spend(1);
      if (pending !== undefined) return pending.then(() => this.#settle());
    }
    return undefined;
  }

  #isPastEnd(key: Uint8Array): boolean {
    return this.#reverse ? compareBytes(key, this.#start) < 0 : compareBytes(key, this.#end) >= 0;
  }

  /** The end of a range is exclusive, also where a walk begins at it. */
  #isExcluded(key: Uint8Array): boolean {
    return this.#reverse && compareBytes(key, this.#end) >= 0;
  }
}
