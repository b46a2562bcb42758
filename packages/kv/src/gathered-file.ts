import { invariant } from '@holdfast/bytes';
import type { FileHandle } from '@holdfast/env';

// Why: one sync of a whole file would hold up the log's syncs on the same disk.
const SYNC_SIZE_BYTES: number = 8 * 1024 * 1024;
const FIRST_BUFFER_BYTES: number = 64 * 1024;

/**
 * A new file that is written from its start to its end: bytes are gathered, written in larger pieces, and
 * synced every 8 MiB. Durability: nothing is before `finish` resolves.
 */
export class GatheredFile {
  readonly #file: FileHandle;
  /** Why one, used again and again: with a new one for each write, the garbage collector ran every few megabytes. */
  #buffer: Uint8Array = new Uint8Array(FIRST_BUFFER_BYTES);
  #pendingBytes = 0;
  #writtenBytes = 0;
  #syncedBytes = 0;

  /** `sizeBytes`: what the file has already, durably. */
  constructor(file: FileHandle, sizeBytes: number = 0) {
    this.#file = file;
    this.#writtenBytes = sizeBytes;
    this.#syncedBytes = sizeBytes;
  }

  /** Bytes that the next `flush` writes. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /** Size of the file once all is written: where the next bytes will be. */
  get sizeBytes(): number {
    return this.#writtenBytes + this.#pendingBytes;
  }

  /** Adds a copy of the bytes. Not while a `flush` runs. */
  push(bytes: Uint8Array): void {
    const neededBytes = this.#pendingBytes + bytes.length;
    if (neededBytes > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(neededBytes, this.#buffer.length * 2));
      larger.set(this.#buffer.subarray(0, this.#pendingBytes));
      this.#buffer = larger;
    }
    this.#buffer.set(bytes, this.#pendingBytes);
    this.#pendingBytes = neededBytes;
  }

  async flush(): Promise<void> {
    const bytes = this.#buffer.subarray(0, this.#pendingBytes);
    await this.#file.write(bytes, this.#writtenBytes);
    this.#writtenBytes += bytes.length;
    this.#pendingBytes = 0;
    if (this.#writtenBytes - this.#syncedBytes < SYNC_SIZE_BYTES) return;
    await this.#file.sync();
    this.#syncedBytes = this.#writtenBytes;
  }

  /** The next bytes go to `offset`; between are zeros. Only where nothing is pending. */
  skipTo(offset: number): void {
    invariant(this.#pendingBytes === 0 && offset >= this.#writtenBytes, 'a skip over bytes');
    this.#writtenBytes = offset;
  }

  /** Durability: everything pushed so far is, when it resolves. */
  async sync(): Promise<void> {
    await this.flush();
    if (this.#syncedBytes === this.#writtenBytes) return;
    await this.#file.sync();
    this.#syncedBytes = this.#writtenBytes;
  }

  /** Ends the file with its footer, durably. Returns the footer's last four bytes, which are its checksum. */
  async finish(footer: Uint8Array): Promise<number> {
    this.push(footer);
    await this.flush();
    await this.#file.sync();
    const view = new DataView(footer.buffer, footer.byteOffset, footer.byteLength);
    return view.getUint32(footer.length - 4, true);
  }
}
