import type { Extent } from '@holdfast/wal';
import type { IndexRecord, LiveRecord } from './index-record.ts';
import { liveRecord } from './index-record.ts';
import { userKey } from './key-space.ts';
import type { KvEngine } from './kv-engine.ts';
import type {
  KvCursor,
  KvEntry,
  KvEntryWithValue,
  LocalReads,
  ReadView,
  ScanOptions,
  ScanPage,
} from './kv-store.ts';
import { VIEW_MAX_AGE_MS } from './limits.ts';
import type { EngineView } from './read-view.ts';
import type { ReaderPins } from './reader-pins.ts';
import { checkKey, checkMaxAgeMs, checkRange, checkScan } from './request-check.ts';
import type { ReadExtent } from './value-reader.ts';
import { entryWith, inlineEntry, readEntry, readEntryInto } from './value-reader.ts';

export interface StateReadsOptions {
  readonly engine: KvEngine;
  readonly pins: ReaderPins;
  readonly readExtent: ReadExtent;
  /** A copy of a value that is in memory, if it is. */
  readonly held: (extent: Extent) => Uint8Array | undefined;
  /** Throws where the store is closed or has failed. */
  readonly checkOpen: () => void;
  readonly openView: () => EngineView;
  readonly whenCurrent: () => Promise<void>;
}

/** Reads of the state as this node has it, without asking whether others have a newer one. */
export class StateReads implements LocalReads {
  readonly #options: StateReadsOptions;

  constructor(options: StateReadsOptions) {
    this.#options = options;
  }

  whenCurrent(): Promise<void> {
    return this.#options.whenCurrent();
  }

  async get(key: Uint8Array): Promise<KvEntryWithValue | undefined> {
    this.#options.checkOpen();
    checkKey(key);
    const internal = userKey(key);
    const found = this.#options.engine.index.get(internal);
    // Why first: small values are mostly in memory, and then nothing is pinned and nothing awaited.
    if (found === undefined) return undefined;
    if (!(found instanceof Promise)) {
      if (found.kind === 'inline') return inlineEntry(internal, found);
      const held = found.kind === 'extent' ? this.#options.held(found.extent) : undefined;
      if (held !== undefined) return entryWith(internal, found.version, held);
    }
    return this.#pinned(found, (record) => readEntry(this.#options.readExtent, internal, record));
  }

  async getInto(key: Uint8Array, target: Uint8Array): Promise<KvEntry | undefined> {
    this.#options.checkOpen();
    checkKey(key);
    const internal = userKey(key);
    return this.#pinned(this.#options.engine.index.get(internal), (record) =>
      readEntryInto(this.#options.readExtent, internal, record, target),
    );
  }

  async scan(options: ScanOptions): Promise<ScanPage> {
    checkScan(options);
    const view = this.#options.openView();
    try {
      return await view.scan(options);
    } finally {
      view.close();
    }
  }

  async cursor(options: Omit<ScanOptions, 'limit'>): Promise<KvCursor> {
    checkRange(options);
    const view = this.#options.openView();
    view.expireAfter(VIEW_MAX_AGE_MS);
    try {
      return ownCursor(view, await view.cursor(options));
    } catch (error) {
      view.close();
      throw error;
    }
  }

  async readView(options: { readonly maxAgeMs?: number } = {}): Promise<ReadView> {
    const maxAgeMs = checkMaxAgeMs(options.maxAgeMs, VIEW_MAX_AGE_MS);
    const view = this.#options.openView();
    view.expireAfter(maxAgeMs);
    return view;
  }

  /** Reads what a look-up of this turn found, while a pin keeps its segment. */
  async #pinned<Result>(
    found: IndexRecord | undefined | Promise<IndexRecord | undefined>,
    read: (record: LiveRecord) => Promise<Result>,
  ): Promise<Result | undefined> {
    const { pins } = this.#options;
    const pin = pins.acquire();
    try {
      const record = liveRecord(await found);
      return record === undefined ? undefined : await read(record);
    } finally {
      pins.release(pin);
    }
  }
}

/** A cursor whose view ends with it, and otherwise when it has not been used for the age of a view. */
function ownCursor(view: EngineView, cursor: KvCursor): KvCursor {
  return {
    next: () => {
      view.expireAfter(VIEW_MAX_AGE_MS);
      return cursor.next();
    },
    seek: (key) => cursor.seek(key),
    close: () => {
      cursor.close();
      view.close();
    },
  };
}
