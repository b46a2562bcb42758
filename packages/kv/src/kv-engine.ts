import { ByteWriter, invariant } from '@holdfast/bytes';
import type { Extent } from '@holdfast/wal';
import { hashKey } from './bloom-filter.ts';
import type { KvEntryRecord } from './entry-codec.ts';
import { ExtentFiles } from './extent-files.ts';
import { segmentIdOfFile } from './extent-format.ts';
import type { ExtentRecord, IndexRecord } from './index-record.ts';
import { liveRecord } from './index-record.ts';
import { forEachText, HASH_NOTE, openHash, readSessions } from './internal-values.ts';
import { NOTE_RANGE_END, NOTE_RANGE_START, noteKey } from './key-space.ts';
import type { KvIndexOptions } from './kv-index.ts';
import { KvIndex } from './kv-index.ts';
import type { Condition, TransactResult } from './kv-store.ts';
import type {
  CommittedRecord,
  HashedKeys,
  PlacedOperation,
  PreparedRecord,
} from './prepared-record.ts';
import { prepare } from './prepared-record.ts';
import { SegmentSpace } from './segment-space.ts';
import type { SessionState } from './session-table.ts';
import { encodeSession, SESSION_SIZE_BYTES, SessionTable } from './session-table.ts';
import type { SortedTable } from './sorted-table.ts';
import type { StateHash } from './state-hash.ts';
import { WorkSlices } from './work-slices.ts';

export interface KvEngineOptions extends KvIndexOptions {
  /** Clients whose last answer is remembered. The same on every node, always. */
  readonly sessionLimit: number;
  /** Whether a hash of the state is kept, to compare it with other nodes'. Default false. */
  readonly hashesState?: boolean;
}

/** The answer to a transaction. */
export type ApplyOutcome = TransactResult | { readonly stale: true; readonly lastSequence: number };

/** Of each record's keys, in their order, what the older parts of the index hold. */
type OlderRecords = readonly (readonly (IndexRecord | undefined)[])[];

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

/** What the older parts of the index held of keys, while its epoch was this one. */
interface FoundOlder {
  readonly epoch: number;
  readonly older: OlderRecords | undefined;
}

/** What `KvEngine.foresee` found. It is of use until records move to another part of the index. */
export class Foresight implements FoundOlder {
  readonly #records: readonly CommittedRecord[];
  readonly #slice: readonly PreparedRecord[];
  readonly epoch: number;
  readonly older: OlderRecords | undefined;

  constructor(
    records: readonly CommittedRecord[],
    slice: readonly PreparedRecord[],
    { epoch, older }: FoundOlder,
  ) {
    this.#records = records;
    this.#slice = slice;
    this.epoch = epoch;
    this.older = older;
  }

  /** The records of a batch that were foreseen, from its first on; undefined where that is another. */
  of(batch: readonly CommittedRecord[]): readonly PreparedRecord[] | undefined {
    let count = 0;
    // Safety: a log that had no room gives the same indexes to other records.
    while (count < this.#slice.length && batch[count] === this.#records[count]) count++;
    return count === 0 ? undefined : this.#slice.slice(0, count);
  }
}

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
  readonly #sessionWriter = new ByteWriter(SESSION_SIZE_BYTES);
  readonly #slices: WorkSlices;
  #appliedIndex: number;
  /** To be awaited before the next slice is applied. */
  #turn: Promise<void> | undefined;

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
      const hashOf = options.hashesState === true ? () => openHash(index, env.crc32c) : undefined;
      const hash = await hashOf?.();
      // Why last: what fails behind it would leave its files open.
      const extents = await ExtentFiles.open(env, directory, index.extentFiles);
      return new KvEngine(index, sessions, extents, new WorkSlices(env.clock), hash, hashOf);
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
   * `foresight` spares the first slice what `foresee` has done.
   */
  async applyBatch(
    records: readonly CommittedRecord[],
    foresight?: Foresight,
  ): Promise<ApplyOutcome[]> {
    const outcomes: ApplyOutcome[] = [];
    for (let from = 0; from < records.length; ) {
      // Why not behind the slice before: who wrote it need not wait for what else has its turn.
      await this.#turn;
      const foreseen = from === 0 ? foresight?.of(records) : undefined;
      const slice = foreseen ?? this.#sliceOf(records, from);
      const apply = (older: OlderRecords | undefined): void => {
        for (let at = 0; at < slice.length; at++) {
          outcomes.push(this.#apply(slice[at] as PreparedRecord, older?.[at]));
        }
      };
      await this.#withOlder(() => slice, apply, foreseen && foresight);
      this.#turn = this.#slices.spend(workOf(slice));
      from += slice.length;
    }
    return outcomes;
  }

  /**
   * Decodes the first of records that are to be applied next, and reads what the older parts of the index hold of their keys,
   * while the log still writes them: `applyBatch` has to do it otherwise. Changes nothing that a reader sees. At most
   * one slice, so that memory stays bounded. KV_CORRUPTION as `applyBatch`.
   */
  async foresee(records: readonly CommittedRecord[]): Promise<Foresight> {
    const slice = this.#sliceOf(records, 0);
    return new Foresight(records, slice, await this.#findOlder(slice));
  }

  #sliceOf(records: readonly CommittedRecord[], from: number): readonly PreparedRecord[] {
    const slice: PreparedRecord[] = [];
    for (let at = from, work = 0; at < records.length && work < SLICE_KEYS; at++) {
      const prepared = prepare(records[at] as CommittedRecord);
      slice.push(prepared);
      work += 1 + prepared.keys.length;
    }
    return slice;
  }

  /**
   * Lets the index refer to the new places of values, which must be durable. A value that was replaced or
   * deleted meanwhile stays so. Gives back the bytes that were moved. Calls must not overlap.
   */
  async relocate(moved: readonly MovedValue[]): Promise<number> {
    let movedBytes = 0;
    for (let from = 0; from < moved.length; from += SLICE_KEYS) {
      const slice = moved.slice(from, from + SLICE_KEYS);
      const keys = () => slice.map(({ key }) => ({ keys: [key], hashes: [hashKey(key)] }));
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
      for (const listing of content.addedExtents) {
        const id = segmentIdOfFile(listing.fileId);
        this.extents.add(listing, content.liveBytes.get(id) ?? 0);
      }
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

  /**
   * Runs `action`, in one turn, with what the older parts hold of all keys; undefined where nothing is older. `known`: what was
   * found of them before.
   */
  async #withOlder(
    keys: () => readonly HashedKeys[],
    action: (older: OlderRecords | undefined) => void,
    known?: FoundOlder,
  ): Promise<void> {
    let found = known;
    for (;;) {
      const { epoch, older } = found ?? (await this.#findOlder(keys()));
      // Safety: a memtable that was frozen or flushed meanwhile has taken records along that were not
      // found where they were looked for. Then all is looked up again. Judged in the turn of the action.
      if (epoch === this.index.epoch) return action(older);
      found = undefined;
    }
  }

  async #findOlder(slice: readonly HashedKeys[]): Promise<FoundOlder> {
    const { epoch } = this.index;
    return { epoch, older: this.index.hasOlderParts ? await this.#lookUpOlder(slice) : undefined };
  }

  /** What the older parts hold of each record's keys, in their order. */
  async #lookUpOlder(slice: readonly HashedKeys[]): Promise<OlderRecords> {
    const older: (IndexRecord | undefined)[][] = [];
    const reading: Promise<void>[] = [];
    let lookedUp = 0;
    for (const { keys, hashes } of slice) {
      const records: (IndexRecord | undefined)[] = [];
      older.push(records);
      for (let at = 0; at < keys.length; at++) {
        const pending = this.#lookUpInto(records, keys[at] as Uint8Array, hashes[at] as number);
        if (pending !== undefined) reading.push(pending);
        if (reading.length >= PARALLEL_LOOKUPS) await Promise.all(reading.splice(0));
        if (++lookedUp % SLICE_KEYS === 0) await this.#slices.spend(SLICE_KEYS);
      }
    }
    if (reading.length > 0) await Promise.all(reading);
    return older;
  }

  /** Appends what the older parts hold of the key, where the active memtable holds nothing. */
  #lookUpInto(
    records: (IndexRecord | undefined)[],
    key: Uint8Array,
    keyHash: number,
  ): Promise<void> | undefined {
    const place = records.length;
    records.push(undefined);
    if (this.index.findActive(key, keyHash) !== 0) return undefined;
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
    prepared: PreparedRecord,
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
    const result = this.#decide(prepared, older);
    if (result.committed) {
      const first = entry.conditions.length;
      for (let at = 0; at < entry.operations.length; at++) {
        const operation = entry.operations[at] as PlacedOperation;
        const keyHash = prepared.hashes[first + at] as number;
        const record = recordOf(operation, index, body);
        this.#replace(older?.[first + at], operation.key, keyHash, record);
      }
    }
    if (entry.session !== undefined) this.#remember(entry.session, result, index);
    return result;
  }

  #decide(
    { index, entry, hashes }: PreparedRecord,
    older: readonly (IndexRecord | undefined)[] | undefined,
  ): TransactResult {
    const failedCondition = entry.conditions.findIndex((condition, at) => {
      const active = this.index.getActive(condition.key, hashes[at]);
      return !holds(condition, active ?? older?.[at]);
    });
    if (failedCondition < 0) return { committed: true, revision: index };
    return { committed: false, revision: index, failedCondition };
  }

  #replace(
    older: IndexRecord | undefined,
    key: Uint8Array,
    keyHash: number,
    record: IndexRecord,
  ): void {
    const place = this.index.findActive(key, keyHash);
    const before = place === 0 ? older : this.index.activeAt(place);
    // A delete of what is nowhere leaves no tombstone behind.
    if (record.kind === 'tombstone' && liveRecord(before) === undefined) return;
    if (record.kind === 'extent') this.space.add(record.extent);
    this.index.set(key, record, keyHash, place);
    this.#hash?.change(key, before, record);
    if (before?.kind === 'extent') this.space.remove(before.extent);
  }

  #remember(
    session: NonNullable<KvEntryRecord['session']>,
    result: TransactResult,
    version: number,
  ): void {
    const state: SessionState = { sequence: session.sequence, result };
    const { key, keyHash } = this.#sessions.set(session.clientId, state);
    const value = encodeSession(state, this.#sessionWriter);
    this.index.set(key, { kind: 'inline', version, value }, keyHash);
    const forgotten = this.#sessions.forgetOldest();
    if (forgotten !== undefined) {
      this.index.set(forgotten.key, { kind: 'tombstone', version }, forgotten.keyHash);
    }
  }

  #expectNext(index: number): void {
    invariant(
      index === this.#appliedIndex + 1,
      `record ${index} after record ${this.#appliedIndex} was applied`,
    );
  }
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

/** One more for each record than its keys: one without any is work too. */
function workOf(slice: readonly HashedKeys[]): number {
  return slice.reduce((work, { keys }) => work + 1 + keys.length, 0);
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
