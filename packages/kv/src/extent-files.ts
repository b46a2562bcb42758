import { copyOfBytes, MalformedBytesError } from '@holdfast/bytes';
import type { Env, FileHandle } from '@holdfast/env';
import { FileError } from '@holdfast/env';
import type { Extent, Wal } from '@holdfast/wal';
import { ReadHandles } from '@holdfast/wal';
import { corruption, NewerFormatError } from './errors.ts';
import type { DirectoryEntry, ExtentListing, ExtentsFooter } from './extent-format.ts';
import {
  checkExtentsHeader,
  decodeDirectory,
  decodeExtentsFooter,
  EXTENTS_FOOTER_SIZE_BYTES,
  EXTENTS_FORMAT_VERSION,
  EXTENTS_HEADER_SIZE_BYTES,
  extentsFileName,
  fileIdOfSegment,
  segmentIdOfFile,
} from './extent-format.ts';
import { Slab } from './slab.ts';
import type { ReadExtent } from './value-reader.ts';

/** Reads a value wherever it is: in the log, or in an extent file. */
export function extentReader(wal: Wal, files: ExtentFiles): ReadExtent {
  return (extent, target) =>
    fileIdOfSegment(extent.segmentId) === undefined
      ? wal.readExtent(extent, target)
      : files.read(extent, target);
}

/** Copies of values up to this share buffers. Larger ones would keep too much of each other. */
const SHARED_COPY_BYTES: number = 8 * 1024;
const SHARED_BUFFER_BYTES: number = 64 * 1024;

/**
 * A copy of a value that the log has in memory; undefined: it is to be read. Waits for nothing. Why in shared buffers: one for
 * each copy took as long as all else that is done to find a value of 4 KiB.
 */
export function heldReader(wal: Wal): (extent: Extent) => Uint8Array | undefined {
  const slab = new Slab(SHARED_BUFFER_BYTES);
  return (extent) => {
    if (fileIdOfSegment(extent.segmentId) !== undefined) return undefined;
    const held = wal.heldExtent(extent);
    if (held === undefined) return undefined;
    if (held.length > SHARED_COPY_BYTES) return copyOfBytes(held);
    const copy = slab.take(held.length);
    copy.set(held);
    return copy;
  };
}

/** An extent file that is there. */
export interface ExtentFile {
  /** As extents in the index name it. */
  readonly id: number;
  readonly path: string;
  readonly listing: ExtentListing;
  /**
   * Of the values that it was written with. Why not its size: the keys are in it too, and where they are long it is much larger
   * than its values, though all of them are live.
   */
  readonly valuesBytes: number;
}

/** The extent files that the MANIFEST lists: values that compaction moved out of the log's segments. */
export class ExtentFiles {
  readonly #env: Env;
  readonly directory: string;
  readonly #handles: ReadHandles;
  readonly #files = new Map<number, ExtentFile>();
  /** No file of the store any more. */
  readonly #toUnlink = new Set<string>();

  private constructor(env: Env, directory: string) {
    this.#env = env;
    this.directory = directory;
    this.#handles = new ReadHandles(env.files);
  }

  /** Checks header and footer of each. KV_CORRUPTION where one is missing, damaged or another one. */
  static async open(
    env: Env,
    directory: string,
    listings: readonly ExtentListing[],
  ): Promise<ExtentFiles> {
    const files = new ExtentFiles(env, directory);
    try {
      for (const listing of listings) {
        const { directoryOffset } = await files.#footerOf(files.#fileOf(listing, 0));
        files.add(listing, directoryOffset - EXTENTS_HEADER_SIZE_BYTES);
      }
    } catch (error) {
      await files.close();
      throw error;
    }
    return files;
  }

  all(): readonly ExtentFile[] {
    return [...this.#files.values()];
  }

  get(segmentId: number): ExtentFile | undefined {
    return this.#files.get(segmentId);
  }

  /** A file is there and durable. */
  add(listing: ExtentListing, valuesBytes: number): void {
    const file = this.#fileOf(listing, valuesBytes);
    this.#files.set(file.id, file);
  }

  pathOf(fileId: number): string {
    return `${this.directory}/${extentsFileName(fileId)}`;
  }

  /** Unlinks files that no MANIFEST lists any more and nobody reads. Those that it fails with are left to the next call. */
  async remove(fileIds: readonly number[]): Promise<void> {
    // Safety: all of them at once, whichever cannot be unlinked. What the MANIFEST does not list is not taken off it again.
    for (const fileId of fileIds) {
      const id = segmentIdOfFile(fileId);
      this.#files.delete(id);
      this.#handles.drop(id);
      this.#toUnlink.add(this.pathOf(fileId));
    }
    if (this.#toUnlink.size === 0) return;
    for (const path of this.#toUnlink) {
      await this.#env.files.unlink(path);
      this.#toUnlink.delete(path);
    }
    await this.#env.files.syncDirectory(this.directory);
  }

  /** As `Wal.readExtent`, for extents that are in these files. */
  async read(extent: Extent, target?: Uint8Array): Promise<Uint8Array> {
    const file = this.#files.get(extent.segmentId);
    if (file === undefined) {
      const path = this.pathOf(fileIdOfSegment(extent.segmentId) ?? 0);
      throw corruption(path, 'the index refers to it, and no MANIFEST lists it');
    }
    const bytes = target?.subarray(0, extent.length) ?? new Uint8Array(extent.length);
    await this.#readFile(file, bytes, extent.offset);
    if (this.#env.bodyChecksum.holds([bytes], extent.crc)) return bytes;
    throw corruption(
      file.path,
      `the value of ${extent.length} bytes at byte ${extent.offset} does not match its checksum`,
    );
  }

  /** What the file holds, dead or alive. KV_CORRUPTION. */
  async directoryOf(file: ExtentFile): Promise<DirectoryEntry[]> {
    const footer = await this.#footerOf(file);
    const bytes = new Uint8Array(footer.directorySizeBytes);
    await this.#readFile(file, bytes, footer.directoryOffset);
    if (this.#env.crc32c(bytes) !== footer.directoryCrc) {
      throw corruption(file.path, 'the directory does not match its checksum');
    }
    return decoded(file, () => decodeDirectory(bytes, footer.count));
  }

  async close(): Promise<void> {
    await this.#handles.close();
  }

  #fileOf(listing: ExtentListing, valuesBytes: number): ExtentFile {
    const path = this.pathOf(listing.fileId);
    return { id: segmentIdOfFile(listing.fileId), path, listing, valuesBytes };
  }

  async #footerOf(file: ExtentFile): Promise<ExtentsFooter> {
    const { fileId, sizeBytes, footerCrc } = file.listing;
    const header = new Uint8Array(EXTENTS_HEADER_SIZE_BYTES);
    await this.#readFile(file, header, 0);
    const version = decoded(file, () => checkExtentsHeader(header, fileId));
    if (version !== EXTENTS_FORMAT_VERSION) {
      throw new NewerFormatError(
        `${file.path} has format ${version}; this Holdfast reads ${EXTENTS_FORMAT_VERSION}: use the newer one`,
        { path: file.path, offset: 0 },
      );
    }
    const bytes = new Uint8Array(EXTENTS_FOOTER_SIZE_BYTES);
    await this.#readFile(file, bytes, sizeBytes - bytes.length);
    const footer = decoded(file, () => decodeExtentsFooter(bytes, this.#env.crc32c));
    const crc = new DataView(bytes.buffer).getUint32(bytes.length - 4, true);
    if (crc !== footerCrc || footer.fileId !== fileId) {
      throw corruption(file.path, 'it is another file than the MANIFEST lists');
    }
    return footer;
  }

  async #readFile(file: ExtentFile, target: Uint8Array, offset: number): Promise<void> {
    const read = (handle: FileHandle): Promise<number> => handle.read(target, offset);
    try {
      if ((await this.#handles.use(file, read)) === target.length) return;
    } catch (cause) {
      if (!(cause instanceof FileError)) throw cause;
      const missing = cause.code === 'FILE_NOT_FOUND';
      const what = missing ? 'the MANIFEST lists it, and it is missing' : 'it cannot be read';
      throw corruption(file.path, what, cause);
    }
    throw corruption(file.path, `it ends before byte ${offset + target.length}`);
  }
}

function decoded<Result>(file: ExtentFile, decode: () => Result): Result {
  try {
    return decode();
  } catch (cause) {
    if (!(cause instanceof MalformedBytesError)) throw cause;
    throw corruption(file.path, cause.message, cause);
  }
}
