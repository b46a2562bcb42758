import { compareBytes } from '@holdfast/bytes';
import type { Clock, Timer } from '@holdfast/env';
import { KvError } from '../errors.ts';
import type {
  Condition,
  KvCursor,
  KvEntry,
  KvEntryWithValue,
  KvStore,
  Operation,
  ReadView,
  ScanOptions,
  ScanPage,
  Transaction,
  TransactResult,
} from '../kv-store.ts';
import { PAGE_VALUES_LIMIT_BYTES, VALUE_SIZE_LIMIT_BYTES, VIEW_MAX_AGE_MS } from '../limits.ts';
import {
  checkKey,
  checkMaxAgeMs,
  checkRange,
  checkScan,
  checkTarget,
  checkTransaction,
} from '../request-check.ts';
import { stampedKey } from '../stamped-key.ts';

export interface MemoryStoreOptions {
  /** Ends views at their age. Without it they live until they are closed. */
  readonly clock?: Pick<Clock, 'setTimer'>;
}

/** A sorted array of entries: the whole state, nothing clever. Entries are never changed. */
type Rows = readonly KvEntryWithValue[];

/**
 * A `KvStore` in memory, obviously right rather than fast: a sorted array, copied whole for each view and
 * for each transaction. Nothing is durable. For tests of what stands on the port.
 */
export function createMemoryStore(options: MemoryStoreOptions = {}): KvStore {
  return new MemoryStore(options);
}

class MemoryStore implements KvStore {
  readonly valueSizeLimitBytes: number = VALUE_SIZE_LIMIT_BYTES;
  readonly #clock: Pick<Clock, 'setTimer'> | undefined;
  readonly #sessions = new Map<string, { sequence: number; result: TransactResult }>();
  readonly #views = new Set<MemoryView>();
  #rows: Rows = [];
  #revision = 0;
  #closed = false;

  constructor(options: MemoryStoreOptions) {
    this.#clock = options.clock;
  }

  async transact(transaction: Transaction): Promise<TransactResult> {
    this.#checkOpen();
    checkTransaction(transaction);
    const result = this.#apply(transaction);
    await Promise.resolve();
    return result;
  }

  async get(key: Uint8Array): Promise<KvEntryWithValue | undefined> {
    return this.#reader().get(key);
  }

  async getInto(key: Uint8Array, target: Uint8Array): Promise<KvEntry | undefined> {
    return this.#reader().getInto(key, target);
  }

  async scan(options: ScanOptions): Promise<ScanPage> {
    return this.#reader().scan(options);
  }

  async cursor(options: Omit<ScanOptions, 'limit'>): Promise<KvCursor> {
    return this.#reader().cursor(options);
  }

  async readView(options: { readonly maxAgeMs?: number } = {}): Promise<ReadView> {
    this.#checkOpen();
    const maxAgeMs = checkMaxAgeMs(options.maxAgeMs, VIEW_MAX_AGE_MS);
    const view = this.#reader();
    view.expireAfter(maxAgeMs, this.#clock);
    this.#views.add(view);
    return view;
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const view of this.#views) view.close();
    this.#views.clear();
  }

  #reader(): MemoryView {
    this.#checkOpen();
    return new MemoryView(this.#rows, this.#revision);
  }

  #checkOpen(): void {
    if (this.#closed) throw new KvError('KV_CLOSED', 'the store is closed');
  }

  #apply(transaction: Transaction): TransactResult {
    const { session } = transaction;
    const answered = session === undefined ? undefined : this.#sessions.get(session.clientId);
    if (session !== undefined && answered !== undefined) {
      if (session.sequence === answered.sequence) return answered.result;
      if (session.sequence < answered.sequence) {
        throw new KvError(
          'KV_SESSION_STALE',
          `sequence ${session.sequence} of ${session.clientId} is older than the last, ${answered.sequence}`,
        );
      }
    }
    const revision = ++this.#revision;
    const failedCondition = (transaction.conditions ?? []).findIndex((each) => !this.#holds(each));
    const result: TransactResult =
      failedCondition < 0
        ? { committed: true, revision }
        : { committed: false, revision, failedCondition };
    if (result.committed) this.#rows = withOperations(this.#rows, transaction.operations, revision);
    if (session !== undefined) {
      this.#sessions.set(session.clientId, { sequence: session.sequence, result });
    }
    return result;
  }

  #holds(condition: Condition): boolean {
    const row = find(this.#rows, condition.key);
    if (condition.kind === 'exists') return row !== undefined;
    if (condition.kind === 'absent') return row === undefined;
    return row !== undefined && row.version === condition.version;
  }
}

class MemoryView implements ReadView {
  readonly revision: number;
  readonly #rows: Rows;
  #timer: Timer | undefined;
  #closed = false;

  constructor(rows: Rows, revision: number) {
    this.#rows = rows;
    this.revision = revision;
  }

  expireAfter(maxAgeMs: number, clock: Pick<Clock, 'setTimer'> | undefined): void {
    this.#timer = clock?.setTimer(maxAgeMs, () => this.close());
  }

  async get(key: Uint8Array): Promise<KvEntryWithValue | undefined> {
    this.#checkOpen();
    checkKey(key);
    return find(this.#rows, key);
  }

  async getInto(key: Uint8Array, target: Uint8Array): Promise<KvEntry | undefined> {
    const row = await this.get(key);
    if (row === undefined) return undefined;
    checkTarget(target, row.valueSizeBytes);
    target.set(row.value);
    return withoutValue(row);
  }

  async scan(options: ScanOptions): Promise<ScanPage> {
    this.#checkOpen();
    checkScan(options);
    const rows = inRange(this.#rows, options);
    const withValues = options.values !== false;
    const entries: KvEntryWithValue[] = [];
    let valuesBytes = 0;
    for (const row of rows) {
      if (entries.length === options.limit || valuesBytes >= PAGE_VALUES_LIMIT_BYTES) break;
      if (withValues) valuesBytes += row.valueSizeBytes;
      entries.push(withValues ? row : (withoutValue(row) as KvEntryWithValue));
    }
    return { entries, more: entries.length < rows.length };
  }

  async cursor(options: Omit<ScanOptions, 'limit'>): Promise<KvCursor> {
    this.#checkOpen();
    checkRange(options);
    return new MemoryCursor(inRange(this.#rows, options), options, () => this.#checkOpen());
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  #checkOpen(): void {
    if (this.#closed) throw new KvError('KV_VIEW_CLOSED', 'the view is closed or too old');
  }
}

class MemoryCursor implements KvCursor {
  readonly #rows: Rows;
  readonly #direction: number;
  readonly #values: boolean;
  readonly #checkOpen: () => void;
  #next = 0;
  #closed = false;

  constructor(rows: Rows, options: Omit<ScanOptions, 'limit'>, checkOpen: () => void) {
    this.#rows = rows;
    this.#direction = options.reverse === true ? -1 : 1;
    this.#values = options.values !== false;
    this.#checkOpen = checkOpen;
  }

  async next(): Promise<KvEntryWithValue | undefined> {
    this.#checkOpen();
    if (this.#closed) throw new KvError('KV_VIEW_CLOSED', 'the cursor is closed');
    const row = this.#rows[this.#next];
    if (row === undefined) return undefined;
    this.#next++;
    return this.#values ? row : { ...row, value: new Uint8Array(0) };
  }

  seek(key: Uint8Array): void {
    for (let row = this.#rows[this.#next]; row !== undefined; row = this.#rows[++this.#next]) {
      if (compareBytes(row.key, key) * this.#direction >= 0) return;
    }
  }

  close(): void {
    this.#closed = true;
  }
}

function find(rows: Rows, key: Uint8Array): KvEntryWithValue | undefined {
  const row = rows[lowerBound(rows, key)];
  return row !== undefined && compareBytes(row.key, key) === 0 ? row : undefined;
}

/** Position of the first row at or after `key`. */
function lowerBound(rows: Rows, key: Uint8Array): number {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareBytes((rows[middle] as KvEntry).key, key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function inRange(rows: Rows, options: Omit<ScanOptions, 'limit'>): Rows {
  const start = options.from === undefined ? 0 : lowerBound(rows, options.from);
  const end = options.to === undefined ? rows.length : lowerBound(rows, options.to);
  const range = rows.slice(start, Math.max(start, end));
  return options.reverse === true ? range.reverse() : range;
}

function withOperations(rows: Rows, operations: readonly Operation[], revision: number): Rows {
  const changed = rows.slice();
  let appended = 0;
  for (const operation of operations) {
    const key =
      operation.kind === 'append'
        ? stampedKey(operation.key, revision, appended++, operation.suffix)
        : operation.key;
    const position = lowerBound(changed, key);
    const there = find(changed, key) === undefined ? 0 : 1;
    if (operation.kind === 'delete') changed.splice(position, there);
    else changed.splice(position, there, rowOf(key, operation.value, revision));
  }
  return changed;
}

function rowOf(key: Uint8Array, value: Uint8Array, version: number): KvEntryWithValue {
  // Why copies: the caller may change its bytes after the call, and readers keep what they got.
  return {
    key: Uint8Array.from(key),
    version,
    valueSizeBytes: value.length,
    value: Uint8Array.from(value),
  };
}

function withoutValue(row: KvEntryWithValue): KvEntry {
  return { key: row.key, version: row.version, valueSizeBytes: row.valueSizeBytes };
}
