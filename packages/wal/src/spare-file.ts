import type { FileHandle } from '@holdfast/env';
import { isFileError } from './damage.ts';
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

interface FillingFile {
  readonly path: string;
  readonly handle: FileHandle;
  readonly zeros: Uint8Array;
}

/**
 * The next segment's file, filled with zeros ahead of need, a piece for each batch of records: a sync into
 * it changes no metadata and takes half as long. It is the reserve on a full disk too.
 *
 * Why a piece a batch: large batches gain little from it, and a device that writes every byte twice takes
 * half as many of them. So nothing is filled beside a large batch, and the caller takes what is ready.
 *
 * Why one sync at the end: a crash before it leaves a file that the next open removes, so no piece need be durable.
 */
export class SpareFile {
  readonly #settings: Settings;
  readonly #nextPath: () => string;
  #file: FillingFile | undefined;
  #filledBytes = 0;
  #filling: Promise<void> | undefined;
  #stopped = false;

  constructor(settings: Settings, nextPath: () => string) {
    this.#settings = settings;
    this.#nextPath = nextPath;
  }

  get isReady(): boolean {
    return this.#filledBytes === this.#settings.segmentSizeBytes;
  }

  get sizeBytes(): number {
    return this.#filledBytes;
  }

  /**
   * Starts filling one more piece, beside batches of `batchBytes` whose last sync took `syncMs`, unless they would gain
   * nothing, all is filled, one is on its way, or preallocation is off.
   */
  prepare(batchBytes: number, syncMs: number): void {
    if (batchBytes > (syncMs > SLOW_SYNC_MS ? FILLED_BESIDE_BYTES : SMALL_BATCH_BYTES)) return;
    if (!this.#settings.preallocate || this.#stopped) return;
    if (this.isReady || this.#filling !== undefined) return;
    this.#filling = this.#fillPiece().finally(() => {
      this.#filling = undefined;
    });
  }

  /** Hands the spare over; undefined where none is ready. */
  async take(): Promise<{ readonly path: string; readonly sizeBytes: number } | undefined> {
    const file = this.#file;
    if (file === undefined || !this.isReady) return undefined;
    const sizeBytes = this.#filledBytes;
    this.#file = undefined;
    this.#filledBytes = 0;
    await file.handle.close();
    return { path: file.path, sizeBytes };
  }

  /** Stops filling; what was filled is removed at the next open. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#filling;
    await this.#file?.handle.close();
  }

  /** Never rejects: without a spare the log is slower, not wrong. */
  async #fillPiece(): Promise<void> {
    const { segmentSizeBytes } = this.#settings;
    try {
      this.#file ??= await this.#create();
      const { handle, zeros } = this.#file;
      const pieceBytes = handle.direct ? zeros.length : SYNCED_PIECE_BYTES;
      const length = Math.min(pieceBytes, segmentSizeBytes - this.#filledBytes);
      const filledBytes = this.#filledBytes + length;
      await handle.write(zeros.subarray(0, length), this.#filledBytes);
      if (!handle.direct || filledBytes === segmentSizeBytes) await handle.sync();
      this.#filledBytes = filledBytes;
    } catch (error) {
      this.#filledBytes = 0;
      const file = this.#file;
      this.#file = undefined;
      await file?.handle.close();
      if (isFileError(error, 'NO_SPACE') && file !== undefined) await this.#remove(file.path);
    }
  }

  async #create(): Promise<FillingFile> {
    const { env, segmentSizeBytes } = this.#settings;
    const path = this.#nextPath();
    const zeros = env.files.allocate(roundUpToBlock(Math.min(PIECE_BYTES, segmentSizeBytes)));
    // Why direct: zeros in the page cache would have to be thrown out again by every later write.
    const handle = await env.files.open(path, 'create', { direct: 'bulk' });
    return { path, handle, zeros };
  }

  async #remove(path: string): Promise<void> {
    try {
      await this.#settings.env.files.unlink(path);
    } catch {
      // It is removed at the next open.
    }
  }
}
