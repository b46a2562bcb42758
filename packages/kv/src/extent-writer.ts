import type { Crc32c } from '@holdfast/bytes';
import { ByteWriter } from '@holdfast/bytes';
import type { Env, FileHandle } from '@holdfast/env';
import type { Extent } from '@holdfast/wal';
import type { ExtentListing } from './extent-format.ts';
import {
  encodeDirectoryEntry,
  encodeExtentsFooter,
  encodeExtentsHeader,
  segmentIdOfFile,
} from './extent-format.ts';
import { GatheredFile } from './gathered-file.ts';

const WRITE_SIZE_BYTES: number = 1024 * 1024;
/** The directory is in memory while the file is written, and when it is compacted in its turn. */
const DIRECTORY_LIMIT_BYTES: number = 8 * 1024 * 1024;

/** Writes one extent file. Durability: nothing is before `finish` resolves, and the name is the caller's to sync. */
export class ExtentWriter {
  readonly #file: FileHandle;
  readonly #gathered: GatheredFile;
  readonly #crc32c: Crc32c;
  readonly #fileId: number;
  readonly #directory = new ByteWriter(4096);
  #count = 0;

  private constructor(file: FileHandle, crc32c: Crc32c, fileId: number) {
    this.#file = file;
    this.#gathered = new GatheredFile(file);
    this.#crc32c = crc32c;
    this.#fileId = fileId;
    this.#gathered.push(encodeExtentsHeader(fileId));
  }

  static async create(env: Env, path: string, fileId: number): Promise<ExtentWriter> {
    return new ExtentWriter(await env.files.open(path, 'create'), env.crc32c, fileId);
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
    const offset = this.#gathered.sizeBytes;
    const extent = { segmentId: segmentIdOfFile(this.#fileId), offset, length: value.length, crc };
    encodeDirectoryEntry(this.#directory, { key, offset, length: value.length, crc });
    this.#gathered.push(value);
    this.#count++;
    if (this.#gathered.pendingBytes >= WRITE_SIZE_BYTES) await this.#gathered.flush();
    return extent;
  }

  /** Durability: all bytes are synced when it resolves. */
  async finish(): Promise<ExtentListing> {
    const directory = this.#directory.finish();
    const footer = encodeExtentsFooter(
      {
        fileId: this.#fileId,
        directoryOffset: this.#gathered.sizeBytes,
        directorySizeBytes: directory.length,
        directoryCrc: this.#crc32c(directory),
        count: this.#count,
      },
      this.#crc32c,
    );
    this.#gathered.push(directory);
    const footerCrc = await this.#gathered.finish(footer);
    return { fileId: this.#fileId, sizeBytes: this.#gathered.sizeBytes, footerCrc };
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}
