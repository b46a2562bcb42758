import type { Env } from '@holdfast/env';
import { FileError } from '@holdfast/env';
import type { Wal } from '@holdfast/wal';
import { CopyPace } from './copy-pace.ts';
import { corruption, KvError } from './errors.ts';
import type { ExtentListing } from './extent-format.ts';
import { ExtentWriter } from './extent-writer.ts';
import type { KvEngine, MovedValue } from './kv-engine.ts';
import type { ReaderPins } from './reader-pins.ts';
import type { RewritableSegment } from './segment-choice.ts';
import { filesToCombine, segmentsToRewrite } from './segment-choice.ts';
import type { SegmentCopyOptions } from './segment-copy.ts';
import { copyLiveValues } from './segment-copy.ts';
import type { ReadExtent } from './value-reader.ts';

export interface CompactorOptions {
  readonly env: Env;
  readonly wal: Wal;
  readonly engine: KvEngine;
  readonly pins: ReaderPins;
  readonly readExtent: ReadExtent;
  /** A segment with a smaller share of live bytes is rewritten. */
  readonly liveShare: number;
  readonly bytesPerSecond: number;
  /** Live bytes that are copied into one file. */
  readonly fileSizeBytes: number;
  /** Room on the volume that copying leaves alone; 0 asks nothing. */
  readonly floorSizeBytes: number;
  /** Room that puts leave alone: for what gives back more than it takes. */
  readonly reserveSizeBytes: number;
  /** Runs `body` while nothing else changes the index's files. */
  readonly exclusively: (body: () => Promise<void>) => Promise<void>;
  /** Within `exclusively`: flushes, and removes what nothing refers to. */
  readonly flush: () => Promise<void>;
}

/** Of `segmentsToRewrite`, for room: whatever gives some is rewritten. */
const ANY_SPACE_RATIO = 1;

/** What a run of compaction did. */
export interface CompactionReport {
  readonly rewrittenSegments: number;
  readonly movedBytes: number;
  /** Whether it ended for want of room on the volume. */
  readonly paused: boolean;
  /** KV_CORRUPTION of each segment that was left as it is since something in it is damaged. */
  readonly damaged: readonly KvError[];
}

/** How a run goes about it. */
interface CompactionRun {
  readonly bytesPerSecond: number;
  /** Any segment with a good part of it dead is rewritten, not only the emptiest; and it ends after one file. */
  readonly forRoom?: boolean;
  readonly onProgress?: CompactionProgress | undefined;
}

/** Called after each file of values. */
export type CompactionProgress = (progress: {
  readonly rewrittenSegments: number;
  readonly movedBytes: number;
}) => void;

/**
 * Rewrites segments that are mostly dead, and small extent files: copies what is live into an extent file, lists the
 * file in the MANIFEST, lets the index refer to the new places, flushes it, and only then removes what was copied.
 *
 * Reads and writes go on meanwhile. A value that is replaced or deleted while it is copied stays so.
 */
export class Compactor {
  readonly #options: CompactorOptions;
  /** Segments that cannot be rewritten. */
  readonly #damaged = new Map<number, KvError>();
  #pace: CopyPace | undefined;
  #running: Promise<CompactionReport> | undefined;
  #stopped = false;
  #movedBytes = 0;
  #rewrittenSegments = 0;

  constructor(options: CompactorOptions) {
    this.#options = options;
  }

  /** Sums since the start. */
  get counters(): { movedBytes: number; rewrittenSegments: number; damagedSegments: number } {
    return {
      movedBytes: this.#movedBytes,
      rewrittenSegments: this.#rewrittenSegments,
      damagedSegments: this.#damaged.size,
    };
  }

  /** Dead bytes in the segments that would be rewritten now. */
  get debtBytes(): number {
    const chosen = this.#mostlyDead(Number.POSITIVE_INFINITY);
    return chosen.reduce((sum, { sizeBytes, liveBytes }) => sum + sizeBytes - liveBytes, 0);
  }

  /** Starts a run in the background, at the set rate, unless one runs or there is nothing to do. */
  start(): void {
    if (this.#running !== undefined || !this.#hasWork()) return;
    // What fails is tried again by the next run, or was judged where it failed.
    this.#run({ bytesPerSecond: this.#options.bytesPerSecond }).catch(() => undefined);
  }

  /**
   * Rewrites one file's worth, as fast as it goes, also where it would not be worth it if there were room. Where a
   * run is on its way already, that one is hurried instead, and not waited for.
   */
  async makeRoom(): Promise<void> {
    this.#pace?.hurry();
    if (this.#running !== undefined) return;
    await this.#run({ bytesPerSecond: Number.POSITIVE_INFINITY, forRoom: true });
  }

  /** Rewrites all that is worth it, as fast as it goes. Rejects where the volume or the log fails. */
  async run(onProgress?: CompactionProgress): Promise<CompactionReport> {
    // Another that waited too may have begun one: `stop` waits for a single one.
    while (this.#running !== undefined) {
      this.#pace?.hurry();
      await this.#running.catch(() => undefined);
    }
    return this.#run({ bytesPerSecond: Number.POSITIVE_INFINITY, onProgress });
  }

  /** Ends what runs, soon; nothing begins after it. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#pace?.hurry();
    await this.#running?.catch(() => undefined);
  }

  #run(run: CompactionRun): Promise<CompactionReport> {
    const pace = new CopyPace(this.#options.env.clock, run.bytesPerSecond);
    this.#pace = pace;
    const running = this.#rewriteAll(pace, run).finally(() => {
      if (this.#running === running) this.#running = undefined;
    });
    this.#running = running;
    return running;
  }

  async #rewriteAll(
    pace: CopyPace,
    { forRoom = false, onProgress }: CompactionRun,
  ): Promise<CompactionReport> {
    const before = this.counters;
    const sums = () => ({
      rewrittenSegments: this.#rewrittenSegments - before.rewrittenSegments,
      movedBytes: this.#movedBytes - before.movedBytes,
    });
    let paused = false;
    while (!this.#stopped) {
      const { fileSizeBytes, floorSizeBytes } = this.#options;
      const dead = this.#mostlyDead(fileSizeBytes, forRoom ? ANY_SPACE_RATIO : undefined);
      const small = dead.length > 0 || forRoom ? [] : await this.#combinable();
      if (dead.length === 0 && small.length === 0) break;
      const sources = dead.length === 0 ? small : await this.#fitting(dead, floorSizeBytes);
      paused = sources.length === 0 || !(await this.#rewrite(sources, pace));
      if (paused) break;
      onProgress?.(sums());
      if (forRoom) break;
    }
    return { ...sums(), paused, damaged: [...this.#damaged.values()] };
  }

  #hasWork(): boolean {
    return this.#mostlyDead(1).length > 0 || this.#small().length > 0;
  }

  /** Of a mostly dead segment often only a few values are left, and a file for them. */
  #small(): RewritableSegment[] {
    const { engine, fileSizeBytes, liveShare } = this.#options;
    if (liveShare === 0) return [];
    const files = engine.extents.all().map(({ id, listing }) => this.#known(id, listing.sizeBytes));
    return filesToCombine(this.#undamaged(files), fileSizeBytes);
  }

  /** Small files, if copying all of them leaves the reserve alone: it gives back nothing but their number. */
  async #combinable(): Promise<RewritableSegment[]> {
    const small = this.#small();
    if (small.length === 0) return small;
    const fitting = await this.#fitting(small, this.#options.reserveSizeBytes);
    return fitting.length === small.length ? small : [];
  }

  #mostlyDead(limitBytes: number, spaceRatioLimit?: number): RewritableSegment[] {
    const { wal, engine, liveShare } = this.#options;
    const released = wal.segments().filter((segment) => segment.released);
    const rewritable = [
      ...released.map(({ segmentId, sizeBytes }) => this.#known(segmentId, sizeBytes)),
      ...engine.extents.all().map(({ id, valuesBytes }) => this.#known(id, valuesBytes)),
    ];
    const choice = { liveShare, limitBytes, spaceRatioLimit };
    return segmentsToRewrite(this.#undamaged(rewritable), choice);
  }

  #known(segmentId: number, sizeBytes: number): RewritableSegment {
    return { segmentId, sizeBytes, liveBytes: this.#options.engine.space.liveBytes(segmentId) };
  }

  #undamaged(segments: readonly RewritableSegment[]): RewritableSegment[] {
    return segments.filter(({ segmentId }) => !this.#damaged.has(segmentId));
  }

  /** As many of the chosen as there is room for the copies of. */
  async #fitting(
    chosen: readonly RewritableSegment[],
    floorSizeBytes: number,
  ): Promise<RewritableSegment[]> {
    const { env, engine } = this.#options;
    if (floorSizeBytes === 0) return [...chosen];
    let roomBytes = (await env.files.freeBytes(engine.extents.directory)) - floorSizeBytes;
    const fitting: RewritableSegment[] = [];
    for (const segment of chosen) {
      roomBytes -= segment.liveBytes;
      if (roomBytes < 0) break;
      fitting.push(segment);
    }
    return fitting;
  }

  /** False where the volume had no room for it after all, or the store is being closed. */
  async #rewrite(sources: readonly RewritableSegment[], pace: CopyPace): Promise<boolean> {
    const { engine, pins } = this.#options;
    const fileId = engine.index.takeFileId();
    // Safety: what is being copied is not removed, even if it dies meanwhile. What died since it was chosen may be gone.
    const pin = pins.acquire();
    const alive = sources.filter(({ segmentId }) => engine.space.liveBytes(segmentId) > 0);
    let copied: CopiedValues;
    try {
      copied = await this.#copy(alive, fileId, pace);
    } catch (cause) {
      await this.#unlink(fileId);
      if (cause instanceof FileError && cause.code === 'NO_SPACE') return false;
      throw cause;
    } finally {
      pins.release(pin);
    }
    if (copied.listing === undefined || this.#stopped) await this.#unlink(fileId);
    if (this.#stopped) return false;
    return this.#commit(copied, fileId);
  }

  /** Durability: the copies and the name of their file are synced when it resolves. */
  async #copy(
    sources: readonly RewritableSegment[],
    fileId: number,
    pace: CopyPace,
  ): Promise<CopiedValues> {
    const { env, engine } = this.#options;
    const isStopped = (): boolean => this.#stopped;
    const options = { ...this.#options, clock: env.clock, pace, isStopped };
    const writer = await ExtentWriter.create(env, engine.extents.pathOf(fileId), fileId);
    const moved: MovedValue[] = [];
    const emptied: number[] = [];
    try {
      for (const { segmentId } of sources) {
        const copied = await this.#copyOne(options, segmentId, writer);
        if (copied === undefined) continue;
        for (const value of copied.moved) moved.push(value);
        if (!copied.complete) break;
        emptied.push(segmentId);
      }
      const { valuesBytes } = writer;
      if (moved.length === 0) return { listing: undefined, valuesBytes, moved, emptied };
      const listing = await writer.finish();
      await env.files.syncDirectory(engine.extents.directory);
      return { listing, valuesBytes, moved, emptied };
    } finally {
      await writer.close();
    }
  }

  /** undefined where the segment is damaged: then it is left as it is, now and later. */
  async #copyOne(
    options: SegmentCopyOptions,
    segmentId: number,
    writer: ExtentWriter,
  ): Promise<Awaited<ReturnType<typeof copyLiveValues>> | undefined> {
    try {
      return await copyLiveValues(options, segmentId, writer);
    } catch (cause) {
      if (!(cause instanceof KvError) || cause.code !== 'KV_CORRUPTION') throw cause;
      this.#damaged.set(segmentId, cause);
      return undefined;
    }
  }

  /**
   * Durability: the flush is the commit point. Before it the tables refer to the old segments, which are all
   * there; after it to the extent file, which was synced and listed before. False where the list had no room.
   */
  async #commit(copied: CopiedValues, fileId: number): Promise<boolean> {
    const { listing, moved, emptied } = copied;
    const { engine, exclusively, flush } = this.#options;
    let listed = true;
    await exclusively(async () => {
      if (listing !== undefined) listed = await this.#list(listing, copied.valuesBytes);
      if (listing !== undefined && listed) this.#movedBytes += await engine.relocate(moved);
      if (listed) await flush();
    });
    if (!listed) {
      await this.#unlink(fileId);
      return false;
    }
    for (const segmentId of emptied) {
      const leftBytes = engine.space.liveBytes(segmentId);
      if (leftBytes === 0) this.#rewrittenSegments++;
      else this.#damaged.set(segmentId, incomplete(segmentId, leftBytes));
    }
    return true;
  }

  async #list(listing: ExtentListing, valuesBytes: number): Promise<boolean> {
    const { index, extents } = this.#options.engine;
    try {
      await index.commitExtents({ added: [listing] });
    } catch (cause) {
      if (cause instanceof FileError && cause.code === 'NO_SPACE') return false;
      throw cause;
    }
    extents.add(listing, valuesBytes);
    return true;
  }

  async #unlink(fileId: number): Promise<void> {
    const { env, engine } = this.#options;
    try {
      await env.files.unlink(engine.extents.pathOf(fileId));
    } catch {
      // It is not there, or it is removed at the next open: no MANIFEST lists it.
    }
  }
}

/** What is in a new extent file; undefined where nothing was live any more. */
interface CopiedValues {
  readonly listing: ExtentListing | undefined;
  readonly valuesBytes: number;
  readonly moved: readonly MovedValue[];
  /** Segments that nothing refers to when the values are moved. */
  readonly emptied: readonly number[];
}

function incomplete(segmentId: number, leftBytes: number): KvError {
  return corruption(
    `segment ${segmentId}`,
    `the index refers to ${leftBytes} bytes in it that none of its records names`,
  );
}
