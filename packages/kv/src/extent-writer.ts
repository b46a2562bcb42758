import { ByteWriter, invariant } from '@holdfast/bytes';
import type { Env, FileHandle } from '@holdfast/env';
import type { Extent } from '@holdfast/wal';
import type { DirectoryEntry, ExtentListing } from './extent-format.ts';
import {
  EXTENTS_HEADER_SIZE_BYTES,
  encodeDirectoryEntry,
  encodeExtentsFooter,
  encodeExtentsHeader,
  segmentIdOfFile,
} from './extent-format.ts';
import { GatheredFile } from './gathered-file.ts';

const WRITE_SIZE_BYTES: number = 1024 * 1024;
/** The directory is in memory while the file is written, and when it is compacted in its turn. */
const DIRECTORY_LIMIT_BYTES: number = 8 * 1024 * 1024;

const SECTOR_SIZE_BYTES = 4096;
const NO_KEY: Uint8Array = new Uint8Array(0);

/** Writes one extent file. Durability: nothing is before `finish` resolves, and the name is the caller's to sync. */
export class ExtentWriter {
  readonly #file: FileHandle;
  readonly #gathered: GatheredFile;
  readonly #env: Env;
  readonly #fileId: number;
  readonly #directory = new ByteWriter(4096);
  #count = 0;
  /** All so far is synced and relied upon, though the file is not finished. */
  #isSettled = false;

  private constructor(file: FileHandle, env: Env, fileId: number, sizeBytes: number) {
    this.#file = file;
    this.#gathered = new GatheredFile(file, sizeBytes);
    this.#env = env;
    this.#fileId = fileId;
  }

  static async create(env: Env, path: string, fileId: number): Promise<ExtentWriter> {
    const writer = new ExtentWriter(await env.files.open(path, 'create'), env, fileId, 0);
    writer.#gathered.push(encodeExtentsHeader(fileId));
    return writer;
  }

  /**
   * Goes on with a file whose writing was cut off: `values` are those in it that are durable, from the first on. What is
   * behind them is cut.
   */
  static async resume(
    env: Env,
    path: string,
    fileId: number,
    values: readonly DirectoryEntry[],
  ): Promise<ExtentWriter> {
    const last = values.at(-1);
    const sizeBytes = last === undefined ? 0 : last.offset + last.length;
    invariant(sizeBytes > 0, 'a file without a value is not gone on with');
    const file = await env.files.open(path, 'write');
    await file.truncate(sizeBytes);
    const writer = new ExtentWriter(file, env, fileId, sizeBytes);
    let end = EXTENTS_HEADER_SIZE_BYTES;
    for (const value of values) {
      writer.#addFiller(end, value.offset);
      encodeDirectoryEntry(writer.#directory, value);
      writer.#count++;
      end = value.offset + value.length;
    }
    writer.#isSettled = true;
    return writer;
  }

  get count(): number {
    return this.#count;
  }

  /** Whether no more should be added: its directory has the size that memory is kept for. */
  get isFull(): boolean {
    return this.#directory.length >= DIRECTORY_LIMIT_BYTES;
  }

  /** Adds a value, which the caller checked against `crc` and does not change; gives its place. */
  async add(key: Uint8Array, value: Uint8Array, crc: number): Promise<Extent> {
    this.#leaveSettled();
    const offset = this.#gathered.sizeBytes;
    const extent = { segmentId: segmentIdOfFile(this.#fileId), offset, length: value.length, crc };
    encodeDirectoryEntry(this.#directory, { key, offset, length: value.length, crc });
    this.#gathered.push(value);
    this.#count++;
    if (this.#gathered.pendingBytes >= WRITE_SIZE_BYTES) await this.#gathered.flush();
    return extent;
  }

  get sizeBytes(): number {
    return this.#gathered.sizeBytes;
  }

  /** Of the values, before `finish`: see `ExtentFile`. */
  get valuesBytes(): number {
    return this.#gathered.sizeBytes - EXTENTS_HEADER_SIZE_BYTES;
  }

  /** Durability: all values so far are synced when it resolves, and no crash of what follows can take them back. */
  async sync(): Promise<void> {
    if (this.#isSettled) return;
    await this.#gathered.sync();
    this.#isSettled = true;
  }

  /** Durability: all bytes are synced when it resolves. */
  async finish(): Promise<ExtentListing> {
    this.#leaveSettled();
    const directory = this.#directory.finish();
    const footer = encodeExtentsFooter(
      {
        fileId: this.#fileId,
        directoryOffset: this.#gathered.sizeBytes,
        directorySizeBytes: directory.length,
        directoryCrc: this.#env.crc32c(directory),
        count: this.#count,
      },
      this.#env.crc32c,
    );
    this.#gathered.push(directory);
    const footerCrc = await this.#gathered.finish(footer);
    return { fileId: this.#fileId, sizeBytes: this.#gathered.sizeBytes, footerCrc };
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  /** Safety: a crash may garble whole sectors of the write in flight, so it may share none with bytes relied upon. */
  #leaveSettled(): void {
    if (!this.#isSettled) return;
    this.#isSettled = false;
    const { sizeBytes } = this.#gathered;
    const next = Math.ceil(sizeBytes / SECTOR_SIZE_BYTES) * SECTOR_SIZE_BYTES;
    this.#addFiller(sizeBytes, next);
    this.#gathered.skipTo(next);
  }

  /** Zeros between two values, as the directory has them: a value of no key. */
  #addFiller(from: number, to: number): void {
    if (from === to) return;
    const length = to - from;
    const crc = this.#env.bodyChecksum.of([new Uint8Array(length)]);
    encodeDirectoryEntry(this.#directory, { key: NO_KEY, offset: from, length, crc });
    this.#count++;
  }
}
