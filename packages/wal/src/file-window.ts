import type { FileHandle } from '@holdfast/env';

const WINDOW_BYTES = 2 * 1024 * 1024;
/** What of a window is read first: little, for it is waited for. Each piece behind it is twice as large. */
const FIRST_PIECE_BYTES = 256 * 1024;

/** A piece on its way from the file. */
interface Piece {
  readonly sizeBytes: number;
  readonly reading: Promise<number>;
}

/**
 * Reads a file forward, in windows of 2 MiB or as much more as it was asked for at once, and hands out views of them. While one
 * piece of a window is looked at, the next is read. One buffer of the size of a window is all the memory that it takes. The handle
 * is the caller's, who closes it after the window.
 */
export class FileWindow {
  readonly #handle: FileHandle;
  readonly sizeBytes: number;
  #buffer: Uint8Array = new Uint8Array(0);
  #start = 0;
  /** Of the buffer: what the window takes, and what of that is read. */
  #windowBytes = 0;
  #length = 0;
  /** Right behind what is read; undefined where that is all of the window, or where a read has failed. */
  #piece: Piece | undefined;
  #readBytes = 0;

  constructor(handle: FileHandle, sizeBytes: number) {
    this.#handle = handle;
    this.sizeBytes = sizeBytes;
  }

  /** Bytes read from the file so far; a piece counts once it is asked for. */
  get readBytes(): number {
    return this.#readBytes;
  }

  /** Begins to read the file: whoever asks for its first bytes finds them on their way. Before all else. */
  begin(): void {
    this.#open(0, 0);
  }

  /**
   * Up to `length` bytes from `position`, fewer at the end of the file; valid until the next call. Rejects with the
   * `FileError` of a read, also of one that an earlier call began; of that nobody hears who does not ask for its bytes.
   */
  async bytes(position: number, length: number): Promise<Uint8Array> {
    const wanted = this.#within(position, length);
    const at = position - this.#start;
    if (at < 0 || at + wanted > this.#windowBytes) await this.#move(position, wanted);
    while (this.held(position, length) === undefined) {
      if (this.#piece === undefined) await this.#move(position, wanted);
      if (!(await this.#takePiece())) break;
    }
    const from = position - this.#start;
    return this.#buffer.subarray(from, Math.min(from + wanted, this.#length));
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
   * Frees the memory: nothing that was handed out may be used after it. Not while `bytes` is under way. Idempotent. Why
   * not leave it to the collector: V8 counts memory of this size, and collects the whole heap for the windows of a few opens.
   */
  async close(): Promise<void> {
    await this.#settle();
    this.#windowBytes = 0;
    this.#length = 0;
    (this.#buffer.buffer as ArrayBuffer).transfer(0);
    this.#buffer = new Uint8Array(0);
  }

  /** Of `length` bytes from `position` those that the file has. */
  #within(position: number, length: number): number {
    return Math.max(0, Math.min(length, this.sizeBytes - position));
  }

  async #move(position: number, wanted: number): Promise<void> {
    await this.#settle();
    this.#open(position, wanted);
  }

  /** Safety: a thread writes into the buffer until it has read the piece. */
  async #settle(): Promise<void> {
    await this.#piece?.reading.catch(() => undefined);
    this.#piece = undefined;
  }

  #open(position: number, wanted: number): void {
    this.#windowBytes = this.#within(position, Math.max(wanted, WINDOW_BYTES));
    if (this.#windowBytes > this.#buffer.length) this.#buffer = new Uint8Array(this.#windowBytes);
    this.#start = position;
    this.#length = 0;
    this.#readOn(Math.max(wanted, FIRST_PIECE_BYTES));
  }

  #readOn(most: number): void {
    const sizeBytes = Math.min(most, this.#windowBytes - this.#length);
    if (sizeBytes === 0) return;
    const target = this.#buffer.subarray(this.#length, this.#length + sizeBytes);
    const reading = this.#handle.read(target, this.#start + this.#length);
    // Why: whoever asks for the piece hears of it, which may be later, or nobody.
    reading.catch(() => undefined);
    this.#piece = { sizeBytes, reading };
  }

  /** Waits for the piece on its way, and begins with the next; false where the file has become shorter. */
  async #takePiece(): Promise<boolean> {
    const piece = this.#piece;
    if (piece === undefined) return false;
    let length: number;
    try {
      length = await piece.reading;
    } finally {
      this.#piece = undefined;
    }
    this.#length += length;
    this.#readBytes += length;
    if (length < piece.sizeBytes) return false;
    this.#readOn(2 * piece.sizeBytes);
    return true;
  }
}
