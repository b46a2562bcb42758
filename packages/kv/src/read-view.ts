import type { Clock, Timer } from '@holdfast/env';
import { KvError } from './errors.ts';
import type { IndexRecord } from './index-record.ts';
import { liveRecord, valueSizeBytes } from './index-record.ts';
import { userKey } from './key-space.ts';
import type { IndexSnapshot } from './kv-index.ts';
import type {
  KvCursor,
  KvEntry,
  KvEntryWithValue,
  ReadView,
  ScanOptions,
  ScanPage,
} from './kv-store.ts';
import { PAGE_VALUES_LIMIT_BYTES } from './limits.ts';
import type { Found } from './range-walk.ts';
import { RangeWalk } from './range-walk.ts';
import type { ReaderPin, ReaderPins } from './reader-pins.ts';
import { checkKey, checkRange, checkScan } from './request-check.ts';
import type { ReadExtent } from './value-reader.ts';
import { entryOf, inlineEntry, readEntry, readEntryInto } from './value-reader.ts';
import { WorkSlices } from './work-slices.ts';

/** Values of a page that are read from the log at the same time. */
const PARALLEL_READS = 8;

export interface ViewContext {
  readonly clock: Clock;
  readonly readExtent: ReadExtent;
  readonly pins: ReaderPins;
  /** Called once, when the view has ended. */
  readonly onClose: (view: EngineView) => void;
}

/**
 * The state at one revision. Holds a snapshot of the index, which holds its tables, and a pin, which
 * holds the segments that the snapshot's extents are in.
 */
export class EngineView implements ReadView {
  readonly revision: number;
  readonly #context: ViewContext;
  readonly #snapshot: IndexSnapshot;
  readonly #pin: ReaderPin;
  #timer: Timer | undefined;
  /** Reads in flight: what the view holds is given back after the last of them. */
  #running = 0;
  #closed = false;

  constructor(context: ViewContext, snapshot: IndexSnapshot, revision: number) {
    this.#context = context;
    this.#snapshot = snapshot;
    this.revision = revision;
    this.#pin = context.pins.acquire();
  }

  /** Ends the view `maxAgeMs` from now, and not at the time said before. */
  expireAfter(maxAgeMs: number): void {
    this.#timer?.cancel();
    this.#timer = this.#context.clock.setTimer(maxAgeMs, () => this.close());
  }

  async get(key: Uint8Array): Promise<KvEntryWithValue | undefined> {
    return this.#read(async () => {
      checkKey(key);
      const internal = userKey(key);
      const record = liveRecord(await this.#find(internal));
      return record && readEntry(this.#context.readExtent, internal, record);
    });
  }

  async getInto(key: Uint8Array, target: Uint8Array): Promise<KvEntry | undefined> {
    return this.#read(async () => {
      checkKey(key);
      const internal = userKey(key);
      const record = liveRecord(await this.#find(internal));
      return record && readEntryInto(this.#context.readExtent, internal, record, target);
    });
  }

  async scan(options: ScanOptions): Promise<ScanPage> {
    return this.#read(() => {
      checkScan(options);
      return this.#scan(options);
    });
  }

  async cursor(options: Omit<ScanOptions, 'limit'>): Promise<KvCursor> {
    return this.#read(async () => {
      checkRange(options);
      const walk = this.#walk(options);
      return new EngineCursor(walk, options.values !== false, this.#context.readExtent, (body) =>
        this.#read(body),
      );
    });
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#timer?.cancel();
    this.#releaseUnused();
  }

  #walk(options: Omit<ScanOptions, 'limit'>): RangeWalk {
    const source = this.#snapshot.source(options.reverse === true);
    return new RangeWalk(source, options, new WorkSlices(this.#context.clock));
  }

  #find(internal: Uint8Array): IndexRecord | undefined | Promise<IndexRecord | undefined> {
    return this.#snapshot.get(internal);
  }

  async #read<Result>(body: () => Promise<Result>): Promise<Result> {
    if (this.#closed) throw new KvError('KV_VIEW_CLOSED', 'the view is closed or too old');
    this.#running++;
    try {
      return await body();
    } finally {
      this.#running--;
      this.#releaseUnused();
    }
  }

  #releaseUnused(): void {
    if (!this.#closed || this.#running > 0) return;
    this.#running = Number.POSITIVE_INFINITY;
    this.#snapshot.release();
    this.#context.pins.release(this.#pin);
    this.#context.onClose(this);
  }

  async #scan(options: ScanOptions): Promise<ScanPage> {
    const walk = this.#walk(options);
    const withValues = options.values !== false;
    const found: Found[] = [];
    let valuesBytes = 0;
    for (;;) {
      const step = walk.next();
      const next = step instanceof Promise ? await step : step;
      const entries = (): Promise<KvEntryWithValue[]> => this.#entriesOf(found, withValues);
      if (next === undefined) return { entries: await entries(), more: false };
      if (found.length === options.limit || valuesBytes >= PAGE_VALUES_LIMIT_BYTES) {
        return { entries: await entries(), more: true };
      }
      if (withValues) valuesBytes += valueSizeBytes(next.record);
      found.push(next);
    }
  }

  async #entriesOf(found: readonly Found[], withValues: boolean): Promise<KvEntryWithValue[]> {
    const entries: KvEntryWithValue[] = new Array(found.length);
    let next = 0;
    const readOn = async (): Promise<void> => {
      for (let at = next++; at < found.length; at = next++) {
        const { key, record } = found[at] as Found;
        if (withValues && record.kind === 'extent') {
          entries[at] = await readEntry(this.#context.readExtent, key, record);
        } else {
          // Why the cast: without values a page's entries are plain `KvEntry`s, as the overload says.
          entries[at] =
            withValues && record.kind === 'inline'
              ? inlineEntry(key, record)
              : (entryOf(key, record) as KvEntryWithValue);
        }
      }
    };
    await Promise.all(Array.from({ length: PARALLEL_READS }, readOn));
    return entries;
  }
}

class EngineCursor implements KvCursor {
  readonly #walk: RangeWalk;
  readonly #values: boolean;
  readonly #readExtent: ReadExtent;
  readonly #read: <Result>(body: () => Promise<Result>) => Promise<Result>;
  #closed = false;

  constructor(
    walk: RangeWalk,
    values: boolean,
    readExtent: ReadExtent,
    read: <Result>(body: () => Promise<Result>) => Promise<Result>,
  ) {
    this.#walk = walk;
    this.#values = values;
    this.#readExtent = readExtent;
    this.#read = read;
  }

  async next(): Promise<KvEntryWithValue | undefined> {
    return this.#read(async () => {
      if (this.#closed) throw new KvError('KV_VIEW_CLOSED', 'the cursor is closed');
      const found = await this.#walk.next();
      if (found === undefined) return undefined;
      if (this.#values) return readEntry(this.#readExtent, found.key, found.record);
      return { ...entryOf(found.key, found.record), value: new Uint8Array(0) };
    });
  }

  seek(key: Uint8Array): void {
    this.#walk.seek(key);
  }

  close(): void {
    this.#closed = true;
  }
}
