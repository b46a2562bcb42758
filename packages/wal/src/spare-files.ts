import type { FileHandle } from '@holdfast/env';
import { roundUpToBlock } from './layout.ts';
import type { Settings } from './settings.ts';

/** What is filled at once: enough for a device to be quick about, and little enough that no sync waits for it long. */
const PIECE_BYTES = 2 * 1024 * 1024;
/** The same where every piece passes through the page cache, and is synced, so that no sync waits for all of them. */
const SYNCED_PIECE_BYTES = 256 * 1024;
/** Up to here a sync into a filled file takes half as long on any disk. */
const SMALL_BATCH_BYTES = 64 * 1024;
/** Beside larger batches nothing is filled. */
const FILLED_BESIDE_BYTES = 256 * 1024;
/** A sync that took longer waited for more than its bytes: on a disk that others want too, for what a growing file commits. */
const SLOW_SYNC_MS = 2;
/** A log that was written less than this has no spare. */
const SPARE_AFTER_BYTES = 1024 * 1024;
/** Of what would be free on the volume without them, spares take one part in so many. */
const SHARE_OF_FREE = 8;

interface FillingFile {
  readonly path: string;
  readonly handle: FileHandle;
  readonly zeros: Uint8Array;
  filledBytes: number;
}

/**
 * Files for the next segments, filled with zeros ahead of need: a sync into one changes no metadata and takes half as
 * long. They are the reserve on a full disk too.
 *
 * One is filled beside small batches, a piece for each. Why a piece a batch: large batches gain little from it, and a
 * device that writes every byte twice takes half as many of them. So nothing is filled beside a large batch, and the
 * caller takes what is ready. More are filled while the log is idle: as many as the last bursts of small batches
 * would have used, so that the next one finds them.
 *
 * Why one sync at the end: a crash before it leaves a file that the next open removes, so no piece need be durable.
 */
export class SpareFiles {
  readonly #settings: Settings;
  readonly #nextPath: () => string;
  /** Whole and durable, oldest first. */
  #ready: string[] = [];
  #file: FillingFile | undefined;
  #filling: Promise<unknown> | undefined;
  /** Of small batches, since the log was idle. */
  #burstBytes = 0;
  #largestBurstBytes = 0;
  #stopped = false;

  constructor(settings: Settings, nextPath: () => string) {
    this.#settings = settings;
    this.#nextPath = nextPath;
  }

  get isReady(): boolean {
    return this.#ready.length > 0;
  }

  /** Of all files, that which is being filled included. */
  get sizeBytes(): number {
    return this.#ready.length * this.#settings.segmentSizeBytes + (this.#file?.filledBytes ?? 0);
  }

  /**
   * A batch of `batchBytes` was written, after which its segment ends at `position`, and its sync took `syncMs`. Starts
   * filling one more piece, unless such batches would gain nothing, a spare is ready, a piece is on its way, or
   * preallocation is off.
   */
  noteBatch(batchBytes: number, position: number, syncMs: number): void {
    if (batchBytes <= FILLED_BESIDE_BYTES) this.#burstBytes += batchBytes;
    if (position < this.#spareAfterBytes()) return;
    if (batchBytes > (syncMs > SLOW_SYNC_MS ? FILLED_BESIDE_BYTES : SMALL_BATCH_BYTES)) return;
    if (!this.isReady) this.#begin(() => this.#fillPiece());
  }

  /**
   * Fills what the largest burst so far would have used, within `spareSizeLimitBytes` and a share of what is free, as
   * long as `isIdle` says so. Resolves when that is done or given up; never rejects.
   */
  async fillWhile(isIdle: () => boolean): Promise<void> {
    this.#largestBurstBytes = Math.max(this.#largestBurstBytes, this.#burstBytes);
    this.#burstBytes = 0;
    if (this.#largestBurstBytes < this.#spareAfterBytes()) return;
    await this.#filling;
    this.#begin(async () => {
      const count = await this.#affordable();
      const goesOn = (): boolean => !this.#stopped && this.#ready.length < count && isIdle();
      while (goesOn() && (await this.#fillPiece()));
    });
    await this.#filling;
  }

  /** Hands the path of a spare over; undefined where none is ready. It has the size of a segment. */
  take(): string | undefined {
    return this.#ready.shift();
  }

  /** Stops filling, and removes what nobody took: a log that is closed holds no room that it does not need. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#filling;
    const file = this.#file;
    await file?.handle.close();
    for (const path of this.#ready) await this.#remove(path);
    if (file !== undefined) await this.#remove(file.path);
  }

  #spareAfterBytes(): number {
    return Math.min(SPARE_AFTER_BYTES, this.#settings.segmentSizeBytes / 8);
  }

  #begin(fill: () => Promise<unknown>): void {
    if (!this.#settings.preallocate || this.#stopped || this.#filling !== undefined) return;
    this.#filling = fill().finally(() => {
      this.#filling = undefined;
    });
  }

  /** How many files the volume has room for, of those that the largest burst would have used. */
  async #affordable(): Promise<number> {
    const { env, directory, segmentSizeBytes, spareSizeLimitBytes } = this.#settings;
    const wanted = Math.ceil(this.#largestBurstBytes / segmentSizeBytes);
    const freeBytes = await env.files.freeBytes(directory).catch(() => 0);
    const mostBytes = Math.min(spareSizeLimitBytes, (freeBytes + this.sizeBytes) / SHARE_OF_FREE);
    return Math.min(wanted, Math.floor(mostBytes / segmentSizeBytes));
  }

  /** Whether it was filled. Never rejects: without a spare the log is slower, not wrong. */
  async #fillPiece(): Promise<boolean> {
    const { segmentSizeBytes } = this.#settings;
    try {
      const file = (this.#file ??= await this.#create());
      const { handle, zeros } = file;
      const pieceBytes = handle.direct ? zeros.length : SYNCED_PIECE_BYTES;
      const length = Math.min(pieceBytes, segmentSizeBytes - file.filledBytes);
      const filledBytes = file.filledBytes + length;
      await handle.write(zeros.subarray(0, length), file.filledBytes);
      const isWhole = filledBytes === segmentSizeBytes;
      if (!handle.direct || isWhole) await handle.sync();
      file.filledBytes = filledBytes;
      if (!isWhole) return true;
      await handle.close();
      this.#file = undefined;
      this.#ready.push(file.path);
      return true;
    } catch {
      const file = this.#file;
      this.#file = undefined;
      if (file === undefined) return false;
      await file.handle.close().catch(() => undefined);
      await this.#remove(file.path);
      return false;
    }
  }

  async #create(): Promise<FillingFile> {
    const { env, segmentSizeBytes } = this.#settings;
    const path = this.#nextPath();
    const zeros = env.files.allocate(roundUpToBlock(Math.min(PIECE_BYTES, segmentSizeBytes)));
    // Why direct: zeros in the page cache would have to be thrown out again by every later write.
    const handle = await env.files.open(path, 'create', { direct: 'bulk' });
    return { path, handle, zeros, filledBytes: 0 };
  }

  async #remove(path: string): Promise<void> {
    try {
      await this.#settings.env.files.unlink(path);
    } catch {
      // It is removed at the next open.
    }
  }
}
