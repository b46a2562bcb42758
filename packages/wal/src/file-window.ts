import type { FileHandle } from '@holdfast/env';

const WINDOW_BYTES = 2 * 1024 * 1024;

/** Reads a file forward in large pieces, and hands out views of them. */
export class FileWindow {
  readonly #handle: FileHandle;
  readonly sizeBytes: number;
  #buffer: Uint8Array = new Uint8Array(0);
  #start = 0;
  #length = 0;
  #readBytes = 0;

  constructor(handle: FileHandle, sizeBytes: number) {
    this.#handle = handle;
    this.sizeBytes = sizeBytes;
  }

  /** Bytes read from the file so far. */
  get readBytes(): number {
    return this.#readBytes;
  }

  /** Up to `length` bytes from `position`, fewer at the end of the file; valid until the next call. */
  async bytes(position: number, length: number): Promise<Uint8Array> {
    const held = this.held(position, length);
    if (held !== undefined) return held;
    const wanted = this.#within(position, length);
    await this.#load(position, wanted);
    return this.#buffer.subarray(0, Math.min(wanted, this.#length));
  }

  /**
   * As `bytes`, or undefined where the file must be read for it. Why: a segment may have a hundred thousand batches, and
   * each wait costs as much as verifying some of their records.
   */
  held(position: number, length: number): Uint8Array | undefined {
    const at = position - this.#start;
    const end = at + this.#within(position, length);
    return at < 0 || end > this.#length ? undefined : this.#buffer.subarray(at, end);
  }

  /**
   * Frees the memory: nothing that was handed out may be used after it. Why not leave it to the collector: V8 counts
   * memory of this size, and collects the whole heap for the windows of a few opens.
   */
  close(): void {
    (this.#buffer.buffer as ArrayBuffer).transfer(0);
    this.#buffer = new Uint8Array(0);
    this.#length = 0;
  }

  /** Of `length` bytes from `position` those that the file has. */
  #within(position: number, length: number): number {
    return Math.max(0, Math.min(length, this.sizeBytes - position));
  }

  async #load(position: number, wanted: number): Promise<void> {
    const sizeBytes = Math.min(Math.max(wanted, WINDOW_BYTES), this.sizeBytes - position);
    if (sizeBytes > this.#buffer.length) this.#buffer = new Uint8Array(sizeBytes);
    this.#start = position;
    this.#length = 0;
    this.#length = await this.#handle.read(this.#buffer.subarray(0, sizeBytes), position);
    this.#readBytes += this.#length;
  }
}
