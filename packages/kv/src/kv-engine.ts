import { invariant, MalformedBytesError } from '@holdfast/bytes';
import type { Extent } from '@holdfast/wal';
import { hashKey } from './bloom-filter.ts';
import type { EntryOperation, KvEntryRecord } from './entry-codec.ts';
import { decodeEntry } from './entry-codec.ts';
import { KvError } from './errors.ts';
import { ExtentFiles } from './extent-files.ts';
import type { ExtentRecord, IndexRecord } from './index-record.ts';
import { liveRecord } from './index-record.ts';
import { forEachText, HASH_NOTE, openHash, readSessions } from './internal-values.ts';
import { NOTE_RANGE_END, NOTE_RANGE_START, noteKey, sessionKey } from './key-space.ts';
import type { KvIndexOptions } from './kv-index.ts';
import { KvIndex } from './kv-index.ts';
import type { Condition, TransactResult } from './kv-store.ts';
import { SegmentSpace } from './segment-space.ts';
import type { SessionState } from './session-table.ts';
import { encodeSession, SessionTable } from './session-table.ts';
import type { SortedTable } from './sorted-table.ts';
import { stampedKey } from './stamped-key.ts';
import type { StateHash } from './state-hash.ts';
import { WorkSlices } from './work-slices.ts';

export interface KvEngineOptions extends KvIndexOptions {
  /** Clients whose last answer is remembered. The same on every node, always. */
  readonly sessionLimit: number;
  /** Whether a hash of the state is kept, to compare it with other nodes'. Default false. */
  readonly hashesState?: boolean;
}

/** A transaction that is committed: durable where a crash cannot take it back. */
export interface CommittedRecord {
  readonly index: number;
  readonly head: Uint8Array;
  readonly body: Extent | undefined;
}

/** The answer to a transaction. */
export type ApplyOutcome = TransactResult | { readonly stale: true; readonly lastSequence: number };

/** A decoded record with what the older parts of the index hold of its keys. */
interface Prepared {
  readonly index: number;
  readonly body: Extent | undefined;
  readonly entry: Omit<KvEntryRecord, 'operations'> & {
    readonly operations: readonly PlacedOperation[];
  };
}

/** An operation whose key is known. */
type PlacedOperation = Exclude<EntryOperation, { kind: 'append' }>;

/** A value that was copied, and where to. */
export interface MovedValue {
  /** Internal key that had it. */
  readonly key: Uint8Array;
  readonly from: Extent;
  readonly to: Extent;
}

/** Keys that are looked up before their records are applied, a single record's aside; bounds what is read for them. */
const SLICE_KEYS = 512;
const PARALLEL_LOOKUPS = 64;

/**
 * The state machine: committed transactions in, answers and an index out. It owns no log; whoever drives it
 * (a local log, or Raft) hands it committed records in order and reads extents for it. The same records
 * give the same answers and the same state, live and on replay, on every node.
 */
export class KvEngine {
  readonly index: KvIndex;
  readonly space: SegmentSpace;
  readonly extents: ExtentFiles;
  readonly #sessions: SessionTable;
  readonly #slices: WorkSlices;
  #appliedIndex: number;

  readonly #openHash: (() => Promise<StateHash | undefined>) | undefined;
  #hash: StateHash | undefined;

  private constructor(
    index: KvIndex,
    sessions: SessionTable,
    extents: ExtentFiles,
    slices: WorkSlices,
    hash: StateHash | undefined,
    openHash: (() => Promise<StateHash | undefined>) | undefined,
  ) {
    this.#hash = hash;
    this.#openHash = openHash;
    this.index = index;
    this.extents = extents;
    this.space = new SegmentSpace(index.liveBytes);
    this.#sessions = sessions;
    this.#slices = slices;
    this.#appliedIndex = index.flushedIndex;
  }

  /** The state as it was flushed last; the records after `flushedIndex` are to be applied again. */
  static async open(options: KvEngineOptions): Promise<KvEngine> {
    const index = await KvIndex.open(options);
    const sessions = new SessionTable(options.sessionLimit);
    try {
      sessions.load(await readSessions(index));
      const { env, directory } = options;
      const extents = await ExtentFiles.open(env, directory, index.extentFiles);
      const hashOf = options.hashesState === true ? () => openHash(index, env.crc32c) : undefined;
      const slices = new WorkSlices(env.clock);
      return new KvEngine(index, sessions, extents, slices, await hashOf?.(), hashOf);
    } catch (error) {
      await index.close();
      throw error;
    }
  }

  /** Index of the last record applied; the store's revision. */
  get appliedIndex(): number {
    return this.#appliedIndex;
  }

  get flushedIndex(): number {
    return this.index.flushedIndex;
  }

  get sessionCount(): number {
    return this.#sessions.count;
  }

  /**
   * A hash of what the store holds, where it lies aside: the same on every node that has applied the same. undefined
   * where none is kept, or where the tables came from elsewhere without one.
   */
  get stateHash(): string | undefined {
    return this.#hash?.text;
  }

  /** Passes over a record that is none of the store's. */
  skip(index: number): void {
    this.#expectNext(index);
    this.#appliedIndex = index;
  }

  /**
   * Passes over a record that is none of the store's, and keeps what it said: part of the state from here on, and of
   * every copy of it. Values up to `INLINE_VALUE_LIMIT_BYTES`; undefined forgets the note.
   */
  note(index: number, name: string, value: Uint8Array | undefined): void {
    this.skip(index);
    const key = noteKey(name);
    const record: IndexRecord =
      value === undefined
        ? { kind: 'tombstone', version: index }
        : { kind: 'inline', version: index, value };
    this.index.set(key, record);
  }

  /** All notes, by name. */
  async readNotes(): Promise<Map<string, Uint8Array>> {
    const notes = new Map<string, Uint8Array>();
    await forEachText(this.index, NOTE_RANGE_START, NOTE_RANGE_END, (name, value) =>
      notes.set(name, value),
    );
    return notes;
  }

  /**
   * Applies committed records, in log order, and gives their answers. Calls must not overlap. Reading what
   * the tables hold of the keys is asynchronous; deciding and applying a slice is not, so no reader
   * sees half a transaction. The event loop has its turns between slices. KV_CORRUPTION where a record cannot be decoded.
   */
  async applyBatch(records: readonly CommittedRecord[]): Promise<ApplyOutcome[]> {
    const outcomes: ApplyOutcome[] = [];
    let slice: Prepared[] = [];
    let keyCount = 0;
    for (const [at, record] of records.entries()) {
      const prepared = prepare(record);
      slice.push(prepared);
      // One more than its keys: a record without any is work too.
      keyCount += 1 + prepared.entry.conditions.length + prepared.entry.operations.length;
      if (keyCount < SLICE_KEYS && at < records.length - 1) continue;
      const keys = () => slice.map(keysOf);
      await this.#withOlder(keys, (older) => {
        for (const [position, each] of slice.entries()) {
          outcomes.push(this.#apply(each, older?.[position]));
        }
      });
      const turn = this.#slices.spend(keyCount);
      if (turn !== undefined) await turn;
      slice = [];
      keyCount = 0;
    }
    return outcomes;
  }

  /**
   * Lets the index refer to the new places of values, which must be durable. A value that was replaced or
   * deleted meanwhile stays so. Gives back the bytes that were moved. Calls must not overlap.
   */
  async relocate(moved: readonly MovedValue[]): Promise<number> {
    let movedBytes = 0;
    for (let from = 0; from < moved.length; from += SLICE_KEYS) {
      const slice = moved.slice(from, from + SLICE_KEYS);
      const keys = () => slice.map(({ key }) => [key]);
      await this.#withOlder(keys, (older) => {
        for (const [position, value] of slice.entries()) {
          if (this.#relocate(value, older?.[position]?.[0])) movedBytes += value.from.length;
        }
      });
      await this.#slices.spend(slice.length);
    }
    return movedBytes;
  }

  /** Puts the hash of the state beside it, so that whoever goes on from this very state knows it. */
  keepHash(): void {
    if (this.#hash === undefined) return;
    const version = this.#appliedIndex;
    this.index.set(noteKey(HASH_NOTE), {
      kind: 'inline',
      version,
      value: this.#hash.encode(version),
    });
  }

  /**
   * Makes the state so far the one that the next flush writes. False where an earlier one waits for its flush:
   * then that one stays the next.
   */
  freeze(): boolean {
    this.keepHash();
    return this.index.freeze(this.#appliedIndex, () => this.space.takeChanges());
  }

  /**
   * Goes on from another node's state after `logStart.index`, which is in `table` and the extent files. Readers see the old
   * state or the new one. Durability: committed when it resolves. Nothing may be applied, flushed or moved meanwhile.
   */
  async install(
    table: SortedTable,
    content: Parameters<KvIndex['replaceAll']>[1],
    sessions: Iterable<readonly [string, SessionState]>,
  ): Promise<void> {
    await this.index.replaceAll(table, content, () => {
      for (const listing of content.addedExtents) this.extents.add(listing);
      this.space.replace(content.liveBytes);
      this.#sessions.load(sessions);
      this.#appliedIndex = content.logStart.index;
      // Safety: it is that of the old state.
      this.#hash = undefined;
    });
    this.#hash = await this.#openHash?.();
  }

  async close(): Promise<void> {
    await this.extents.close();
    await this.index.close();
  }

  /** Whether the key still had the value where it was; `older` is what the older parts hold of it. */
  #relocate({ key, from, to }: MovedValue, older: IndexRecord | undefined): boolean {
    const current = this.index.getActive(key) ?? older;
    if (!isAt(current, from)) return false;
    this.index.set(key, { ...current, extent: to });
    this.space.move(from, to);
    return true;
  }

  /** Runs `action`, in one turn, with what the older parts hold of all keys; undefined where nothing is older. */
  async #withOlder(
    keys: () => readonly (readonly Uint8Array[])[],
    action: (older: (IndexRecord | undefined)[][] | undefined) => void,
  ): Promise<void> {
    for (;;) {
      const { epoch } = this.index;
      const older = this.index.hasOlderParts ? await this.#lookUpOlder(keys()) : undefined;
      // Safety: a memtable that was frozen or flushed meanwhile has taken records along that were not
      // found where they were looked for. Then all is looked up again. Judged in the turn of the action.
      if (epoch === this.index.epoch) return action(older);
    }
  }

  /** What the older parts hold of each record's keys, in their order. */
  async #lookUpOlder(
    slice: readonly (readonly Uint8Array[])[],
  ): Promise<(IndexRecord | undefined)[][]> {
    const older: (IndexRecord | undefined)[][] = [];
    const reading: Promise<void>[] = [];
    let lookedUp = 0;
    for (const keys of slice) {
      const records: (IndexRecord | undefined)[] = [];
      older.push(records);
      for (const key of keys) {
        const pending = this.#lookUpInto(records, key);
        if (pending !== undefined) reading.push(pending);
        if (reading.length >= PARALLEL_LOOKUPS) await Promise.all(reading.splice(0));
        if (++lookedUp % SLICE_KEYS === 0) await this.#slices.spend(SLICE_KEYS);
      }
    }
    if (reading.length > 0) await Promise.all(reading);
    return older;
  }

  /** Appends what the older parts hold of the key, where the active memtable holds nothing. */
  #lookUpInto(records: (IndexRecord | undefined)[], key: Uint8Array): Promise<void> | undefined {
    const place = records.length;
    records.push(undefined);
    const keyHash = hashKey(key);
    if (this.index.getActive(key, keyHash) !== undefined) return undefined;
    const found = this.index.getOlder(key, keyHash);
    if (!(found instanceof Promise)) {
      records[place] = found;
      return undefined;
    }
    return found.then((record) => {
      records[place] = record;
    });
  }

  #apply(
    prepared: Prepared,
    older: readonly (IndexRecord | undefined)[] | undefined,
  ): ApplyOutcome {
    const { index, body, entry } = prepared;
    this.#expectNext(index);
    this.#appliedIndex = index;
    const answered = entry.session && this.#sessions.get(entry.session.clientId);
    if (entry.session !== undefined && answered !== undefined) {
      if (entry.session.sequence === answered.sequence) return answered.result;
      if (entry.session.sequence < answered.sequence) {
        return { stale: true, lastSequence: answered.sequence };
      }
    }
    const result = this.#decide(index, entry, older);
    if (result.committed) {
      const first = entry.conditions.length;
      for (let at = 0; at < entry.operations.length; at++) {
        const operation = entry.operations[at] as PlacedOperation;
        this.#replace(older?.[first + at], operation.key, recordOf(operation, index, body));
      }
    }
    if (entry.session !== undefined) this.#remember(entry.session, result, index);
    return result;
  }

  #decide(
    index: number,
    entry: Pick<KvEntryRecord, 'conditions'>,
    older: readonly (IndexRecord | undefined)[] | undefined,
  ): TransactResult {
    const failedCondition = entry.conditions.findIndex(
      (condition, at) => !holds(condition, this.index.getActive(condition.key) ?? older?.[at]),
    );
    if (failedCondition < 0) return { committed: true, revision: index };
    return { committed: false, revision: index, failedCondition };
  }

  #replace(older: IndexRecord | undefined, key: Uint8Array, record: IndexRecord): void {
    // A delete of what is nowhere leaves no tombstone behind.
    const deletes = record.kind === 'tombstone';
    if (deletes && liveRecord(this.index.getActive(key) ?? older) === undefined) return;
    if (record.kind === 'extent') this.space.add(record.extent);
    const before = this.index.set(key, record) ?? older;
    this.#hash?.change(key, before, record);
    if (before?.kind === 'extent') this.space.remove(before.extent);
  }

  #remember(
    session: NonNullable<KvEntryRecord['session']>,
    result: TransactResult,
    version: number,
  ): void {
    const state: SessionState = { sequence: session.sequence, result };
    const forgotten = this.#sessions.set(session.clientId, state);
    const value = encodeSession(state);
    this.index.set(sessionKey(session.clientId), { kind: 'inline', version, value });
    if (forgotten !== undefined) {
      this.index.set(sessionKey(forgotten), { kind: 'tombstone', version });
    }
  }

  #expectNext(index: number): void {
    invariant(
      index === this.#appliedIndex + 1,
      `record ${index} after record ${this.#appliedIndex} was applied`,
    );
  }
}

function prepare(record: CommittedRecord): Prepared {
  try {
    const entry = decodeEntry(record.head, record.body?.length ?? 0);
    const operations = stamped(entry.operations, record.index);
    return { index: record.index, body: record.body, entry: { ...entry, operations } };
  } catch (cause) {
    if (!(cause instanceof MalformedBytesError)) throw cause;
    throw new KvError(
      'KV_CORRUPTION',
      `record ${record.index} of the log is no transaction that this Holdfast reads: ${cause.message}`,
      { cause },
    );
  }
}

/** The operations with the keys that the revision gives to what is appended. */
function stamped(
  operations: readonly EntryOperation[],
  revision: number,
): readonly PlacedOperation[] {
  if (operations.every(isPlaced)) return operations;
  let position = 0;
  return operations.map((operation) => {
    if (operation.kind !== 'append') return operation;
    const { key, suffix, value } = operation;
    return { kind: 'putInline', key: stampedKey(key, revision, position++, suffix), value };
  });
}

function isPlaced(operation: EntryOperation): operation is PlacedOperation {
  return operation.kind !== 'append';
}

/** Keys of the record, those of its conditions first. */
function keysOf({ entry }: Prepared): Uint8Array[] {
  return [...entry.conditions, ...entry.operations].map(({ key }) => key);
}

/** Whether the record's value is exactly there. */
export function isAt(record: IndexRecord | undefined, place: Extent): record is ExtentRecord {
  return (
    record?.kind === 'extent' &&
    record.extent.segmentId === place.segmentId &&
    record.extent.offset === place.offset &&
    record.extent.length === place.length &&
    record.extent.crc === place.crc
  );
}

function recordOf(
  operation: PlacedOperation,
  version: number,
  body: Extent | undefined,
): IndexRecord {
  if (operation.kind === 'delete') return { kind: 'tombstone', version };
  if (operation.kind === 'putInline') return { kind: 'inline', version, value: operation.value };
  invariant(body !== undefined, 'a body value without a body');
  return { kind: 'extent', version, extent: extentAt(body, operation) };
}

/** Where a value of a record's body is. */
export function extentAt(
  body: Extent,
  {
    offset,
    length,
    crc,
  }: { readonly offset: number; readonly length: number; readonly crc: number },
): Extent {
  return { segmentId: body.segmentId, offset: body.offset + offset, length, crc };
}

function holds(condition: Condition, record: IndexRecord | undefined): boolean {
  const live = liveRecord(record);
  if (condition.kind === 'exists') return live !== undefined;
  if (condition.kind === 'absent') return live === undefined;
  return live !== undefined && live.version === condition.version;
}
