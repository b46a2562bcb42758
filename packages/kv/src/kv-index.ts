import { compareBytes, invariant } from '@holdfast/bytes';
import type { Env } from '@holdfast/env';
import { FileError } from '@holdfast/env';
import type { WalIdentity } from '@holdfast/wal';
import { BlockCache } from './block-cache.ts';
import { hashKey } from './bloom-filter.ts';
import { Disposals } from './disposals.ts';
import type { ExtentListing } from './extent-format.ts';
import { extentsFileName, fileIdOf } from './extent-format.ts';
import { InPlaceReads } from './in-place-reads.ts';
import type { IndexRecord } from './index-record.ts';
import type { IndexSource } from './index-source.ts';
import { Manifest } from './manifest.ts';
import type { LogStart, ManifestState } from './manifest-codec.ts';
import type { MemtableView } from './memtable.ts';
import { Memtable } from './memtable.ts';
import { tablesToMerge } from './merge-choice.ts';
import { MergeSource } from './merge-source.ts';
import type { MergeRequest } from './merge-task.ts';
import type { OlderState } from './older-state.ts';
import { olderState } from './older-state.ts';
import { Slab } from './slab.ts';
import type { TableContext, TableListing } from './sorted-table.ts';
import { SortedTable } from './sorted-table.ts';
import type { TableFlusher } from './table-flusher.ts';
import { tableFileName, tableIdOf } from './table-format.ts';
import { findInTables } from './table-lookup.ts';
import type { TableMerger } from './table-merger.ts';
import { TableSource } from './table-source.ts';
import type { TableWriteRequest } from './table-writer.ts';
import { unlinkLeftOver, writeTableIn } from './table-writer.ts';

/** Some eight blocks: what a walk reads and does not keep. */
const PASSING_SLAB_SIZE_BYTES: number = 66 * 1024;

export interface KvIndexOptions {
  readonly env: Env;
  readonly directory: string;
  readonly identity: WalIdentity;
  readonly blockCacheSizeBytes: number;
  /** Tables beyond which some are merged. */
  readonly tableCountLimit: number;
  /** Where newer tables are damaged; see `openIndex`. */
  readonly older?: OlderState;
}

/** A memtable that is being flushed, and what is true of the state that it completes. */
interface Frozen {
  readonly memtable: Memtable;
  readonly appliedIndex: number;
  readonly liveBytes: ReadonlyMap<number, number>;
}

/** The index at one moment. `release` lets go of its files. */
export interface IndexSnapshot {
  get(key: Uint8Array): IndexRecord | undefined | Promise<IndexRecord | undefined>;
  source(reverse: boolean): IndexSource;
  release(): void;
}

/**
 * The index: a memtable, at times a frozen one that is being flushed, and immutable sorted tables, the newest
 * first. What is asked for is looked for in that order. Flushing writes the frozen memtable as a new table;
 * merging makes one table of several. The MANIFEST is the commit point of both.
 */
export class KvIndex {
  readonly #options: KvIndexOptions;
  readonly #context: TableContext;
  readonly #manifest: Manifest;
  readonly #damage: { readonly blocks: number };
  #active: Memtable = new Memtable();
  #frozen: Frozen | undefined;
  #tables: readonly SortedTable[];
  #epoch = 0;
  #nextFileId: number;
  /** The id of the table that is being written; one whose writing failed is tried again under it. */
  #tableId: number | undefined;

  private constructor(
    options: KvIndexOptions,
    context: TableContext,
    manifest: Manifest,
    tables: readonly SortedTable[],
    damage: { readonly blocks: number },
  ) {
    this.#options = options;
    this.#damage = damage;
    this.#context = context;
    this.#manifest = manifest;
    this.#tables = tables;
    this.#nextFileId = manifest.state.nextTableId;
  }

  /** Opens what the MANIFEST lists. Nothing is written or removed yet: `complete` and `removeUnlisted` do that. */
  static async open(options: KvIndexOptions): Promise<KvIndex> {
    const { env, directory, identity } = options;
    const cache = new BlockCache(options.blockCacheSizeBytes);
    const damage = { blocks: 0 };
    const context: TableContext = {
      env,
      cache,
      disposals: new Disposals(),
      inPlace: new InPlaceReads(env.clock),
      onDamage: () => damage.blocks++,
    };
    const manifest = await Manifest.open(env, directory, identity);
    const tables: SortedTable[] = [];
    const { older } = options;
    try {
      for (const listing of manifest.state.tables.slice(older?.skipTables ?? 0)) {
        const path = `${directory}/${tableFileName(listing.tableId)}`;
        tables.push(await SortedTable.open(context, path, listing));
      }
      if (older !== undefined) {
        manifest.stage(await olderState(manifest.state, tables, older.logFrom));
      }
    } catch (error) {
      for (const table of tables) table.release();
      await context.disposals.finished();
      await manifest.close();
      throw error;
    }
    return new KvIndex(options, context, manifest, tables, damage);
  }

  /** Changes whenever records move from one part to another; see `KvEngine.applyBatch`. */
  get epoch(): number {
    return this.#epoch;
  }

  /** The state up to this log index is in tables. */
  get flushedIndex(): number {
    return this.#manifest.state.appliedIndex;
  }

  /** The same of what the MANIFEST on disk lists, also where an older state was opened. */
  get durableIndex(): number {
    return this.#manifest.durableIndex;
  }

  /** What the MANIFEST says. */
  get state(): ManifestState {
    return this.#manifest.state;
  }

  get liveBytes(): ReadonlyMap<number, number> {
    return this.#manifest.state.liveBytes;
  }

  get extentFiles(): readonly ExtentListing[] {
    return this.#manifest.state.extentFiles;
  }

  get tables(): readonly SortedTable[] {
    return this.#tables;
  }

  get memtableSizeBytes(): number {
    return this.#active.sizeBytes;
  }

  get frozenSizeBytes(): number {
    return this.#frozen?.memtable.sizeBytes ?? 0;
  }

  /** Blocks that were read and found damaged. */
  get damagedBlocks(): number {
    return this.#damage.blocks;
  }

  get cachedBytes(): number {
    return this.#context.cache.sizeBytes;
  }

  /** Whether a record can be anywhere but in the active memtable. */
  get hasOlderParts(): boolean {
    return this.#frozen !== undefined || this.#tables.length > 0;
  }

  /** The key's record in the active memtable. */
  getActive(key: Uint8Array, keyHash: number = hashKey(key)): IndexRecord | undefined {
    return this.#active.get(key, keyHash);
  }

  /** Where the active memtable has the key, for as long as `epoch` stays; 0 where it has none. */
  findActive(key: Uint8Array, keyHash: number): number {
    return this.#active.find(key, keyHash);
  }

  /** The record of the key that the active memtable has there. */
  activeAt(place: number): IndexRecord {
    return this.#active.recordAt(place);
  }

  /** Sets the key's record in the active memtable. `place` is what `findActive` gives, where that is known. */
  set(key: Uint8Array, record: IndexRecord, keyHash?: number, place?: number): void {
    this.#active.set(key, record, keyHash, place);
  }

  /** The key's newest record; a promise where a block must be read. */
  get(key: Uint8Array): IndexRecord | undefined | Promise<IndexRecord | undefined> {
    const keyHash = hashKey(key);
    return this.#active.get(key, keyHash) ?? this.getOlder(key, keyHash);
  }

  /** As `get`, without the active memtable. */
  getOlder(
    key: Uint8Array,
    keyHash: number = hashKey(key),
  ): IndexRecord | undefined | Promise<IndexRecord | undefined> {
    const frozen = this.#frozen?.memtable.get(key, keyHash);
    if (frozen !== undefined || this.#tables.length === 0) return frozen;
    return findInTables(this.#tables, key, keyHash, 0);
  }

  snapshot(): IndexSnapshot {
    const active = this.#active.snapshot();
    const frozen = this.#frozen?.memtable;
    const tables = this.#tables.map((table) => table.retain());
    return {
      get: (key) => {
        const keyHash = hashKey(key);
        const found = active.get(key, keyHash) ?? frozen?.get(key, keyHash);
        return found ?? findInTables(tables, key, keyHash, 0);
      },
      source: (reverse) => this.#sourceOver(active, frozen, tables, reverse),
      release: () => {
        for (const table of tables) table.release();
      },
    };
  }

  /**
   * Freezes the memtable, which holds the state up to `appliedIndex` on top of the tables. Where one is
   * frozen already, its flush failed and is to be repeated first: then this does nothing, and returns false.
   */
  freeze(appliedIndex: number, takeLiveBytes: () => ReadonlyMap<number, number>): boolean {
    if (this.#frozen !== undefined) return false;
    this.#frozen = { memtable: this.#active, appliedIndex, liveBytes: takeLiveBytes() };
    this.#active = new Memtable(this.#active);
    this.#epoch++;
    return true;
  }

  /** Writes the frozen memtable as a table, on this thread or as `flusher` does. Durability: committed when it resolves. */
  async flush(flusher?: TableFlusher): Promise<void> {
    const frozen = this.#frozen;
    invariant(frozen !== undefined, 'flush without a frozen memtable');
    const { memtable, appliedIndex, liveBytes } = frozen;
    const table = memtable.count === 0 ? undefined : await this.#write(frozen, flusher);
    const added = table === undefined ? [] : [table.listing];
    const edit = { appliedIndex, nextTableId: this.#nextFileId, removed: [], added, liveBytes };
    await this.#manifest.commit(edit).catch((error: unknown) => {
      // Why: the next try unlinks its file, and only one that is closed gives its room back.
      table?.release();
      throw error;
    });
    this.#tableId = undefined;
    if (table !== undefined) this.#tables = [table, ...this.#tables];
    this.#frozen = undefined;
    this.#epoch++;
  }

  /**
   * Merges what is worth it, or everything; whether there was something. Flushes may run meanwhile: only the
   * change of the MANIFEST runs in `exclusively`. Calls must not overlap.
   */
  async merge(
    everything: boolean,
    merger: TableMerger,
    exclusively: (body: () => Promise<void>) => Promise<void>,
  ): Promise<boolean> {
    const range = tablesToMerge(this.#tables, this.#options.tableCountLimit, everything);
    if (range === undefined) return false;
    const merged = this.#tables.slice(range.from, range.to).map((table) => table.retain());
    try {
      const request = this.#mergeRequest(merged, range.to === this.#tables.length);
      const listing = await merger.merge(merged, request);
      const table = await SortedTable.open(this.#context, request.write.path, listing);
      await exclusively(() => this.#replaceTables(merged, table));
    } finally {
      for (const table of merged) table.release();
    }
    return true;
  }

  /** `oldest`: no table is older than these. */
  #mergeRequest(merged: readonly SortedTable[], oldest: boolean): MergeRequest {
    const { directory } = this.#options;
    const tableId = this.takeFileId();
    return {
      directory,
      sources: merged.map(({ listing }) => listing),
      write: {
        tableId,
        path: `${directory}/${tableFileName(tableId)}`,
        appliedIndex: (merged[0] as SortedTable).properties.appliedIndex,
        expectedEntries: merged.reduce((sum, each) => sum + each.properties.entryCount, 0),
        dropTombstones: oldest,
      },
    };
  }

  async #replaceTables(merged: readonly SortedTable[], table: SortedTable): Promise<void> {
    // Another node's state was installed since the merge began, and nobody needs what was merged.
    if (!merged.every((each) => this.#tables.includes(each))) {
      table.drop();
      table.release();
      return;
    }
    const edit = {
      appliedIndex: this.flushedIndex,
      nextTableId: this.#nextFileId,
      removed: merged.map((each) => each.tableId),
      added: [table.listing],
      liveBytes: new Map(),
    };
    try {
      await this.#manifest.commit(edit);
    } catch (error) {
      // Safety: after any other failure nobody knows whether the edit, and with it the table, is listed.
      if (error instanceof FileError && error.code === 'NO_SPACE') table.drop();
      table.release();
      throw error;
    }
    // Newer tables may have come since the merge began; these still stand side by side.
    const from = this.#tables.indexOf(merged[0] as SortedTable);
    this.#tables = this.#tables.toSpliced(from, merged.length, table);
    this.#epoch++;
    // Durability: only now, when no MANIFEST lists them, may the files go.
    for (const each of merged) {
      each.drop();
      each.release();
    }
  }

  /** An id that no table and no extent file ever had. */
  takeFileId(): number {
    return this.#nextFileId++;
  }

  /** Ids that are nobody else's from here on, after a restart too. Durability: committed when it resolves. */
  async reserveFileIds(count: number): Promise<number> {
    const first = this.#nextFileId;
    this.#nextFileId += count;
    await this.commitExtents({});
    return first;
  }

  /** Lists new extent files, which are durable, or takes some off the list. Durability: committed when it resolves. */
  async commitExtents(change: {
    readonly added?: readonly ExtentListing[];
    readonly removed?: readonly number[];
  }): Promise<void> {
    await this.#manifest.commit({
      appliedIndex: this.flushedIndex,
      nextTableId: this.#nextFileId,
      removed: [],
      added: [],
      liveBytes: new Map(),
      addedExtents: change.added ?? [],
      removedExtents: change.removed ?? [],
    });
  }

  /** A table that no MANIFEST lists yet, opened and checked. Its file and name are durable. */
  openUnlisted(listing: TableListing): Promise<SortedTable> {
    const path = `${this.#options.directory}/${tableFileName(listing.tableId)}`;
    return SortedTable.open(this.#context, path, listing);
  }

  /**
   * Puts another state in the place of this one: one table is all there is, and the log goes on behind `logStart`.
   * Snapshots keep what they see. Durability: committed when it resolves, in one edit. Nothing may be applied, flushed
   * or moved meanwhile. `onCommitted` runs in the turn in which the new state is seen.
   */
  async replaceAll(
    table: SortedTable,
    content: {
      readonly liveBytes: ReadonlyMap<number, number>;
      readonly addedExtents: readonly ExtentListing[];
      readonly logStart: LogStart;
    },
    onCommitted: () => void,
  ): Promise<void> {
    const { liveBytes, addedExtents, logStart } = content;
    const gone = [...this.liveBytes.keys()].filter((segmentId) => !liveBytes.has(segmentId));
    const old = this.#tables;
    await this.#manifest.commit({
      appliedIndex: logStart.index,
      nextTableId: this.#nextFileId,
      removed: old.map(({ tableId }) => tableId),
      added: [table.listing],
      liveBytes: new Map([...gone.map((id): [number, number] => [id, 0]), ...liveBytes]),
      addedExtents,
      logStart,
    });
    this.#tables = [table];
    this.#active = new Memtable();
    this.#frozen = undefined;
    this.#tableId = undefined;
    this.#epoch++;
    onCommitted();
    // Durability: only now, when no MANIFEST lists them, may the files go.
    for (const each of old) {
      each.drop();
      each.release();
    }
  }

  /** Commits what was made of an older state: `OlderState`. Does nothing elsewhere. */
  async settle(): Promise<void> {
    await this.#manifest.settle();
  }

  /** Writes the MANIFEST anew, the first time that it is called. Once all that is listed was found whole. */
  async complete(): Promise<void> {
    await this.#manifest.complete();
  }

  /** A walk over what lies before `end`. Tables that begin behind it are not read. Only while nothing changes. */
  sourceBefore(end: Uint8Array): IndexSource {
    const tables = this.#tables.filter(
      ({ blockCount, properties }) => blockCount > 0 && compareBytes(properties.firstKey, end) < 0,
    );
    return this.#sourceOver(
      this.#active.snapshot(),
      this.#frozen?.memtable.snapshot(),
      tables,
      false,
    );
  }

  #sourceOver(
    active: MemtableView,
    frozen: MemtableView | undefined,
    tables: readonly SortedTable[],
    reverse: boolean,
  ): IndexSource {
    const sources: IndexSource[] = [active.source(reverse)];
    if (frozen !== undefined) sources.push(frozen.source(reverse));
    const tablesBytes = tables.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    const passing = this.#context.cache.holdsAll(tablesBytes)
      ? undefined
      : new Slab(PASSING_SLAB_SIZE_BYTES);
    const options = { reverse, useCache: true, passing };
    for (const table of tables) sources.push(new TableSource(table, options));
    return sources.length === 1 ? (sources[0] as IndexSource) : new MergeSource(sources, reverse);
  }

  /** Removes files that no MANIFEST lists: what a crash interrupted. Returns their names. */
  async removeUnlisted(): Promise<string[]> {
    const { env, directory } = this.#options;
    // Why names: a flush within recovery takes the id that an extent file was cut off with.
    const listed = new Set([
      ...this.#tables.map((table) => tableFileName(table.tableId)),
      ...this.extentFiles.map(({ fileId }) => extentsFileName(fileId)),
    ]);
    const removed: string[] = [];
    for (const name of await env.files.list(directory)) {
      const isOwn = (tableIdOf(name) ?? fileIdOf(name)) !== undefined;
      const leftOver = isOwn ? !listed.has(name) : name.endsWith('.tmp');
      if (!leftOver) continue;
      await env.files.unlink(`${directory}/${name}`);
      removed.push(name);
    }
    return removed;
  }

  async close(): Promise<void> {
    for (const table of this.#tables) table.release();
    this.#tables = [];
    await this.#context.disposals.finished();
    await this.#manifest.close();
  }

  async #write(
    { memtable, appliedIndex }: Frozen,
    flusher: TableFlusher | undefined,
  ): Promise<SortedTable> {
    const { env, directory } = this.#options;
    const tableId = (this.#tableId ??= this.takeFileId());
    const path = `${directory}/${tableFileName(tableId)}`;
    // Safety: a table without any MANIFEST is taken for a lost one, so there is one before the first table.
    await this.#manifest.complete();
    await unlinkLeftOver(env.files, path);
    const request: TableWriteRequest = {
      tableId,
      path,
      appliedIndex,
      expectedEntries: memtable.count,
      dropTombstones: this.#tables.length === 0,
    };
    const listing = await (flusher?.flush(memtable, directory, request) ??
      writeTableIn(directory, env, request, memtable.source(false)));
    return SortedTable.open(this.#context, path, listing);
  }
}
