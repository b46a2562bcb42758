import { type LogIndex, logIndex } from '@holdfast/bytes';
import type { Env } from '@holdfast/env';
import { FileError } from '@holdfast/env';
import type { Wal } from '@holdfast/wal';
import { WalError } from '@holdfast/wal';
import type { CompactionProgress, CompactionReport } from './compactor.ts';
import { Compactor } from './compactor.ts';
import { KvError } from './errors.ts';
import type { KvEngine } from './kv-engine.ts';
import type { ReaderPins } from './reader-pins.ts';
import type { HealReport } from './segment-healing.ts';
import { healSegments } from './segment-healing.ts';
import { TableFlusher } from './table-flusher.ts';
import { TableMerger } from './table-merger.ts';
import type { ReadExtent } from './value-reader.ts';

export interface MaintenanceOptions {
  readonly env: Env;
  readonly wal: Wal;
  readonly engine: KvEngine;
  readonly pins: ReaderPins;
  /** A memtable of this size is flushed. */
  readonly memtableSizeBytes: number;
  /** A log with this much after the last flush is flushed: it bounds replay. */
  readonly replaySizeBytes: number;
  /** A memtable of fewer bytes is written on this thread. */
  readonly flushThreadSizeBytes: number;
  /** Tables of fewer bytes in all are merged on this thread. */
  readonly mergeThreadSizeBytes: number;
  readonly readExtent: ReadExtent;
  readonly compaction: CompactionSettings;
  /** Up to where the log may be released, given that the tables hold everything up to `flushedIndex`. */
  readonly releasable: (flushedIndex: LogIndex) => LogIndex;
  /** Called when a change of files failed in a way that nothing helps against but a restart. */
  readonly onFailure: (cause: unknown) => void;
}

/** How segments that are mostly dead are rewritten. */
export interface CompactionSettings {
  /** A segment with a smaller share of live bytes is rewritten. */
  readonly liveShare: number;
  /** Bytes copied in a second in the background. */
  readonly bytesPerSecond: number;
  readonly fileSizeBytes: number;
  /** Room on the volume that copying leaves alone. */
  readonly floorSizeBytes: number;
  readonly reserveSizeBytes: number;
}

export interface MaintenanceCounters {
  readonly flushes: number;
  readonly merges: number;
  /** Threads of flushes that died. */
  readonly flushThreadFailures: number;
  /** Threads of merges that died. */
  readonly mergeThreadFailures: number;
  readonly lastFlushMs: number;
  readonly totalFlushMs: number;
  readonly unflushedBytes: number;
}

/** How long a flush that found no room waits for its next try. */
const RETRY_MS = 1000;
/** Memtables beyond which writes wait for the flush. */
const MEMTABLES_HELD = 3;
/** Tables beyond which flushes, and in the end writes, wait for merging: each may have to be read for a key. */
const TABLES_HELD = 32;

/**
 * Keeps the index and the log small: flushes, merges, and removes what nothing refers to, in the background of
 * reads and writes. One change of the files at a time; a merge, which may take minutes, writes its table beside
 * them, and only listing it is such a change.
 */
export class Maintenance {
  readonly #options: MaintenanceOptions;
  readonly compactor: Compactor;
  readonly #flusher: TableFlusher;
  readonly #merger: TableMerger;
  #queue: Promise<void> = Promise.resolve();
  /** The flush on its way; never rejects. */
  #scheduled: Promise<void> | undefined;
  #failedAtMs: number | undefined;
  /** The merges on their way; never rejects. */
  #merging: Promise<void> | undefined;
  #mergeFailedAtMs = Number.NEGATIVE_INFINITY;
  #makingRoom: Promise<void> | undefined;
  #healing: Promise<void> = Promise.resolve();
  /** Segments that are being healed in the background, or wait for it. */
  readonly #toHeal = new Set<number>();
  #madeRoomAtMs = Number.NEGATIVE_INFINITY;
  #unflushedBytes: number;
  #lastFlushMs = 0;
  #totalFlushMs = 0;
  #flushes = 0;
  #merges = 0;
  #stopped = false;

  constructor(options: MaintenanceOptions, unflushedBytes: number) {
    this.#options = options;
    this.#unflushedBytes = unflushedBytes;
    this.#flusher = new TableFlusher(options.env, options.flushThreadSizeBytes);
    this.#merger = new TableMerger(options.env, options.mergeThreadSizeBytes);
    this.compactor = new Compactor({
      ...options,
      ...options.compaction,
      exclusively: (body) => this.#exclusively(body),
      flush: () => this.#flush(),
    });
  }

  get counters(): MaintenanceCounters {
    return {
      flushes: this.#flushes,
      merges: this.#merges,
      flushThreadFailures: this.#flusher.threadFailures,
      mergeThreadFailures: this.#merger.threadFailures,
      lastFlushMs: this.#lastFlushMs,
      totalFlushMs: this.#totalFlushMs,
      unflushedBytes: this.#unflushedBytes,
    };
  }

  /** Counts applied bytes, and starts a flush in the background when it is time. */
  noteApplied(sizeBytes: number): void {
    this.#unflushedBytes += sizeBytes;
    const { engine, memtableSizeBytes, replaySizeBytes } = this.#options;
    if (
      engine.index.memtableSizeBytes >= memtableSizeBytes ||
      this.#unflushedBytes >= replaySizeBytes
    ) {
      this.#schedule();
    }
  }

  /**
   * What writes wait for when flushing does not keep up; undefined where they may go on. Throws
   * KV_NO_SPACE where it cannot keep up, since the volume is full.
   */
  whenRoom(): Promise<void> | undefined {
    const { engine, memtableSizeBytes } = this.#options;
    const heldBytes = engine.index.memtableSizeBytes + engine.index.frozenSizeBytes;
    if (heldBytes < memtableSizeBytes * MEMTABLES_HELD) return undefined;
    this.#schedule();
    if (this.#scheduled !== undefined) return this.#scheduled;
    throw noRoom();
  }

  /** Everything applied so far is in tables when it resolves, and the log before it is released. */
  async flush(): Promise<void> {
    await this.#exclusively(() => this.#flush());
  }

  /** Flushes, rewrites what is mostly dead, merges all tables into one, and removes every segment that can go. */
  async compact(onProgress?: CompactionProgress): Promise<CompactionReport> {
    await this.#exclusively(() => this.#flush());
    const report = await this.compactor.run(onProgress);
    while (this.#merging !== undefined) await this.#merging;
    // Why: the store may be closed in the middle of it, and nothing may begin after that.
    if (!this.#stopped) await this.#startMerging(async () => void (await this.#merge(true)));
    if (!this.#stopped) await this.#exclusively(() => this.#removeSegments());
    return report;
  }

  /** Writes the values in damaged segments anew, from other nodes where they must. One run at a time. KV_NO_SPACE. */
  async heal(segmentIds: ReadonlySet<number>): Promise<HealReport> {
    const { env, engine, pins, readExtent, compaction } = this.#options;
    const options = {
      env,
      engine,
      pins,
      readExtent,
      fileSizeBytes: compaction.fileSizeBytes,
      exclusively: (body: () => Promise<void>) => this.#exclusively(body),
      flush: () => this.#flush(),
      isStopped: () => this.#stopped,
    };
    const healing = this.#healing.then(async () => {
      const report = await healSegments(options, segmentIds);
      // Why again: while values were copied, the segments were held for that.
      if (!this.#stopped) await this.#exclusively(() => this.#removeSegments());
      return report;
    });
    this.#healing = healing.then(
      () => undefined,
      () => undefined,
    );
    return healing.catch((cause: unknown) => {
      throw isFull(cause) ? noRoom(cause) : cause;
    });
  }

  /** As `heal`, in the background; what fails is tried again when the damage is met again. */
  healLater(segmentId: number): void {
    if (this.#stopped || this.#toHeal.has(segmentId)) return;
    this.#toHeal.add(segmentId);
    this.heal(new Set([segmentId]))
      .catch(() => undefined)
      .finally(() => this.#toHeal.delete(segmentId));
  }

  /** Removes the segments that nothing refers to, and starts to rewrite those that are mostly dead, and to merge. */
  async removeSegments(): Promise<void> {
    const { space } = this.#options.engine;
    // What died since the last flush can go only after one.
    await this.#exclusively(() =>
      space.hasUnflushedDeath ? this.#flush() : this.#removeSegments(),
    );
    // Why: it is what a pass of garbage collection ends with, and each has flushed. Under little load nothing else does.
    this.#mergeInBackground();
    this.compactor.start();
  }

  /**
   * Gives back what can be given back soon, for a volume that is almost full: flushes, and rewrites one file's worth.
   * undefined where that was tried just now. Never rejects; what it found no room for is tried again.
   */
  makeRoom(): Promise<void> | undefined {
    const { clock } = this.#options.env;
    if (this.#makingRoom !== undefined) return this.#makingRoom;
    if (this.#stopped || clock.monotonicMs() - this.#madeRoomAtMs < RETRY_MS) return undefined;
    this.#makingRoom = this.#exclusively(() => this.#flush())
      .then(() => this.compactor.makeRoom())
      .catch(() => undefined)
      .finally(() => {
        this.#madeRoomAtMs = clock.monotonicMs();
        this.#makingRoom = undefined;
        // Each flush made a table.
        this.#schedule();
      });
    return this.#makingRoom;
  }

  /** Runs `body` while nothing is flushed, merged or removed. Its failure is its caller's alone. */
  quiesced<Result>(body: () => Promise<Result>): Promise<Result> {
    const done = this.#queue.then(body);
    this.#queue = done.then(
      () => undefined,
      () => undefined,
    );
    return done;
  }

  /** Gives the merge up that is on its way, and begins none after it. Flushes, and so writes, go on. */
  async stopMerging(): Promise<void> {
    await this.#merger.stop();
    await this.#merging;
  }

  /** Waits for what runs, a merge apart, which is given up; nothing begins by itself after it. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.stopMerging();
    await this.compactor.stop();
    await this.#healing;
    await this.#makingRoom;
    await this.#queue;
  }

  #schedule(): void {
    if (this.#scheduled !== undefined || this.#stopped) return;
    const nowMs = this.#options.env.clock.monotonicMs();
    if (this.#failedAtMs !== undefined && nowMs - this.#failedAtMs < RETRY_MS) return;
    this.#scheduled = this.#flushInBackground()
      // What matters of a failure was seen to where it was judged.
      .catch(() => undefined)
      .finally(() => {
        this.#scheduled = undefined;
      });
  }

  async #flushInBackground(): Promise<void> {
    await this.#exclusively(() => this.#flush());
    this.#mergeInBackground();
    this.compactor.start();
    if (this.#options.engine.index.tables.length > TABLES_HELD) await this.#merging;
  }

  /** Merges as long as it is worth it, unless that is on its way or just failed. */
  #mergeInBackground(): void {
    const nowMs = this.#options.env.clock.monotonicMs();
    if (this.#merging !== undefined || nowMs - this.#mergeFailedAtMs < RETRY_MS) return;
    this.#startMerging(async () => {
      while (!this.#stopped && (await this.#merge(false)));
    }).catch(() => undefined);
  }

  /** The caller has seen that none is on its way. */
  #startMerging(merge: () => Promise<void>): Promise<void> {
    const done = merge();
    this.#merging = done
      .catch(() => {
        this.#mergeFailedAtMs = this.#options.env.clock.monotonicMs();
      })
      .finally(() => {
        this.#merging = undefined;
      });
    return done;
  }

  async #merge(everything: boolean): Promise<boolean> {
    const { index } = this.#options.engine;
    try {
      const merged = await index.merge(everything, this.#merger, (body) => this.#exclusively(body));
      if (merged) this.#merges++;
      return merged;
    } catch (cause) {
      // Why not judged: flushes, which need less room, go on.
      if (isFull(cause)) throw noRoom(cause);
      if (cause instanceof KvError && cause.code === 'KV_CLOSED') throw cause;
      throw this.#judge(cause);
    }
  }

  async #flush(): Promise<void> {
    const { engine, env, wal } = this.#options;
    const startMs = env.clock.monotonicMs();
    // A flush that failed left its memtable frozen: then that one goes first, and the rest after it.
    while (engine.flushedIndex < engine.appliedIndex || engine.space.hasMoves) {
      const target = engine.appliedIndex;
      const frozen = engine.freeze();
      this.#unflushedBytes = 0;
      await engine.index.flush(this.#flusher);
      // Values are moved only where no flush runs, so what was frozen just now has all moves.
      if (frozen) engine.space.settleMoves();
      if (engine.flushedIndex >= target && !engine.space.hasMoves) break;
    }
    // Durability: persist first, truncate second. The MANIFEST holds the state up to here.
    const released = this.#options.releasable(logIndex(engine.flushedIndex));
    if (released >= wal.firstIndex) await wal.releasePrefix(released);
    this.#lastFlushMs = env.clock.monotonicMs() - startMs;
    this.#totalFlushMs += this.#lastFlushMs;
    this.#flushes++;
    this.#failedAtMs = undefined;
    await this.#removeSegments();
  }

  async #removeSegments(): Promise<void> {
    const { engine, wal, pins } = this.#options;
    const oldestReader = pins.oldest();
    const removable = wal
      .segments()
      .filter(({ released, segmentId }) => released && this.#isRemovable(segmentId, oldestReader))
      .map(({ segmentId }) => segmentId);
    if (removable.length > 0) await wal.removeSegments(removable);
    for (const segmentId of removable) engine.space.forget(segmentId);
    await this.#removeExtents(oldestReader);
  }

  /**
   * Safety: not while the tables still refer to it, though a newer record has replaced that. A restart of a replica applies
   * only what it knows to be committed, and may know less than it had applied.
   */
  #isRemovable(segmentId: number, oldestReader: number): boolean {
    const { index, space } = this.#options.engine;
    return !index.liveBytes.has(segmentId) && space.isRemovable(segmentId, oldestReader);
  }

  async #removeExtents(oldestReader: number): Promise<void> {
    const { index, extents, space } = this.#options.engine;
    const removable = extents.all().filter(({ id }) => this.#isRemovable(id, oldestReader));
    if (removable.length === 0) return;
    const removed = removable.map(({ listing }) => listing.fileId);
    // Durability: off the list first. A file that is listed and missing is damage.
    await index.commitExtents({ removed });
    await extents.remove(removed);
    for (const { id } of removable) space.forget(id);
  }

  /** Runs after what runs already, whether that fails or not. */
  #exclusively(body: () => Promise<void>): Promise<void> {
    const done = this.#queue.then(body);
    this.#queue = done.catch(() => undefined);
    return done.catch((cause: unknown) => {
      throw this.#judge(cause);
    });
  }

  /** A full volume is waited out; anything else stops the store. */
  #judge(cause: unknown): KvError {
    if (isFull(cause)) {
      this.#failedAtMs = this.#options.env.clock.monotonicMs();
      return noRoom(cause);
    }
    this.#options.onFailure(cause);
    if (cause instanceof KvError) return cause;
    const message = cause instanceof Error ? cause.message : String(cause);
    return new KvError('KV_UNAVAILABLE', `the index cannot be written: ${message}`, { cause });
  }
}

function isFull(cause: unknown): boolean {
  if (cause instanceof FileError) return cause.code === 'NO_SPACE';
  if (cause instanceof KvError) return cause.code === 'KV_NO_SPACE';
  return cause instanceof WalError && cause.code === 'WAL_NO_SPACE';
}

function noRoom(cause?: unknown): KvError {
  const message = 'the volume has no room to flush the index; delete something, or give it more';
  return new KvError('KV_NO_SPACE', message, { cause });
}
