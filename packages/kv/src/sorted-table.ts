import { compareBytes, MalformedBytesError } from '@holdfast/bytes';
import type { Env, FileHandle } from '@holdfast/env';
import { FileError } from '@holdfast/env';
import type { BlockCache } from './block-cache.ts';
import type { BlockIndex } from './block-index.ts';
import { BlockIndexDecoder } from './block-index.ts';
import { fullFilter, mayContain } from './bloom-filter.ts';
import type { Disposals } from './disposals.ts';
import { corruption, KvError, NewerFormatError } from './errors.ts';
import type { InPlaceReads } from './in-place-reads.ts';
import type { IndexRecord } from './index-record.ts';
import type { OnPiece } from './section-reader.ts';
import { readCheckedSection, readSection } from './section-reader.ts';
import type { Slab } from './slab.ts';
import { checksumHolds, findInBlock } from './table-block.ts';
import type { TableProperties, TableSection } from './table-format.ts';
import {
  checkTableHeader,
  decodeTableFooter,
  decodeTableProperties,
  TABLE_FOOTER_SIZE_BYTES,
  TABLE_FORMAT_OTHER_FILTER,
  TABLE_FORMAT_VERSION,
  TABLE_HEADER_SIZE_BYTES,
} from './table-format.ts';

/** What the MANIFEST knows of a table. */
export interface TableListing {
  readonly tableId: number;
  readonly sizeBytes: number;
  readonly footerCrc: number;
}

/** What tables share. */
export interface TableContext {
  readonly env: Env;
  readonly cache: BlockCache;
  readonly disposals: Disposals;
  readonly inPlace: InPlaceReads;
  /** Called where a block that is read is damaged. */
  readonly onDamage?: () => void;
}

interface TableParts {
  readonly listing: TableListing;
  readonly properties: TableProperties;
  readonly filter: Uint8Array;
  readonly index: BlockIndex;
}

/**
 * An immutable sorted table on disk. In memory are its filter and its sparse index; blocks come through
 * the cache. It is closed, and its file removed if it was dropped, when the last user lets go.
 */
export class SortedTable {
  readonly tableId: number;
  readonly path: string;
  readonly sizeBytes: number;
  readonly listing: TableListing;
  readonly properties: TableProperties;
  readonly #env: Env;
  readonly #file: FileHandle;
  readonly #cache: BlockCache;
  readonly #disposals: Disposals;
  readonly #inPlace: InPlaceReads;
  readonly #passing: Uint8Array;
  readonly #onDamage: TableContext['onDamage'];
  readonly #filter: Uint8Array;
  readonly #index: BlockIndex;
  readonly #loading = new Map<number, Promise<Uint8Array>>();
  #users = 1;
  #dropped = false;

  private constructor(context: TableContext, file: FileHandle, parts: TableParts) {
    this.#env = context.env;
    this.#cache = context.cache;
    this.#disposals = context.disposals;
    this.#inPlace = context.inPlace;
    this.#passing = context.inPlace.passing;
    this.#onDamage = context.onDamage;
    this.#file = file;
    this.path = file.path;
    this.listing = parts.listing;
    this.tableId = parts.listing.tableId;
    this.sizeBytes = parts.listing.sizeBytes;
    this.properties = parts.properties;
    this.#filter = parts.filter;
    this.#index = parts.index;
  }

  /** Opens and checks a listed table. KV_CORRUPTION where it is missing or damaged. */
  static async open(
    context: TableContext,
    path: string,
    listing: TableListing,
  ): Promise<SortedTable> {
    const { env } = context;
    let file: FileHandle;
    try {
      file = await env.files.open(path, 'read');
    } catch (cause) {
      if (cause instanceof FileError && cause.code === 'FILE_NOT_FOUND') {
        throw corruption(path, 'the MANIFEST lists this table, and it is missing', cause);
      }
      throw cause;
    }
    try {
      return new SortedTable(context, file, await readParts(env, file, listing));
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  get blockCount(): number {
    return this.#index.count;
  }

  /** Memory of the filter and the sparse index. */
  get memoryBytes(): number {
    return this.#filter.length + this.#index.sizeBytes;
  }

  /** The key's record; a promise where a block must be read. `keyHash` is `hashKey(key)`. */
  get(
    key: Uint8Array,
    keyHash: number,
  ): IndexRecord | undefined | Promise<IndexRecord | undefined> {
    if (!mayContain(this.#filter, keyHash)) return undefined;
    const block = this.#index.blockOf(key);
    if (block === this.#index.count) return undefined;
    const cached = this.#cache.get(this.tableId, block);
    if (cached !== undefined) return this.#find(cached, key);
    if (this.#cache.admits(this.tableId, block)) {
      const bytes = this.blockNow(block);
      if (bytes !== undefined) return this.#find(bytes, key);
    } else {
      const passing = this.#readPassing(block);
      // Its memory is used again by the next: what is found in it is copied.
      if (passing !== undefined) return ownRecord(this.#find(passing, key));
    }
    return this.loadBlock(block).then((loaded) => this.#find(loaded, key));
  }

  /** The first block that may hold `key` or a greater one; `blockCount` where none may. */
  blockOf(key: Uint8Array): number {
    return compareBytes(key, this.properties.lastKey) > 0
      ? this.blockCount
      : this.#index.blockOf(key);
  }

  /**
   * The block from the cache, or read in place and checked; undefined where it is to be loaded. What is read is kept, or, where
   * a walk gives a slab and it is not worth that, read into the slab.
   */
  blockNow(block: number, passing?: Slab): Uint8Array | undefined {
    const cached = this.#cache.get(this.tableId, block);
    if (cached !== undefined) return cached;
    const { offset, sizeBytes } = this.#index.section(block);
    const passes = passing !== undefined && !this.#cache.admitsWalked(this.tableId, block);
    const bytes = passes ? passing.take(sizeBytes) : new Uint8Array(sizeBytes);
    if (!this.#inPlace.read(this.#file, bytes, offset)) return undefined;
    // Why no error here: `readBlocks` reads again, counts the damage and says where it is.
    if (!checksumHolds(bytes, this.#env.crc32c)) return undefined;
    if (!passes) this.#cache.set(this.tableId, block, bytes);
    return bytes;
  }

  /** The block, read in place and checked, in memory that is valid until the turn ends; undefined where it cannot be. */
  #readPassing(block: number): Uint8Array | undefined {
    const { offset, sizeBytes } = this.#index.section(block);
    if (sizeBytes > this.#passing.length) return undefined;
    const bytes = this.#passing.subarray(0, sizeBytes);
    if (!this.#inPlace.read(this.#file, bytes, offset)) return undefined;
    return checksumHolds(bytes, this.#env.crc32c) ? bytes : undefined;
  }

  /** Reads a block, checks it and puts it into the cache. */
  loadBlock(block: number): Promise<Uint8Array> {
    const running = this.#loading.get(block);
    if (running !== undefined) return running;
    const loading = this.readBlocks(block, block + 1)
      .then(([bytes]) => {
        this.#cache.set(this.tableId, block, bytes as Uint8Array);
        return bytes as Uint8Array;
      })
      .finally(() => this.#loading.delete(block));
    this.#loading.set(block, loading);
    return loading;
  }

  /**
   * Reads blocks [from, to) with one read and checks each; the cache is left alone. `share`: they are views of one
   * buffer, for who does not keep one of them without the others.
   */
  async readBlocks(from: number, to: number, share: boolean = false): Promise<Uint8Array[]> {
    const start = this.#index.section(from).offset;
    const last = this.#index.section(to - 1);
    const whole = new Uint8Array(last.offset + last.sizeBytes - start);
    await this.#readFile(whole, start);
    const blocks: Uint8Array[] = [];
    for (let block = from; block < to; block++) {
      const { offset, sizeBytes } = this.#index.section(block);
      const view = whole.subarray(offset - start, offset - start + sizeBytes);
      // Why a copy: a block in the cache must not keep its neighbours' memory.
      const bytes = share || to - from === 1 ? view : view.slice();
      if (!checksumHolds(bytes, this.#env.crc32c)) {
        this.#onDamage?.();
        throw this.corrupt(offset, 'wrong checksum of a block');
      }
      blocks.push(bytes);
    }
    return blocks;
  }

  async #readFile(target: Uint8Array, offset: number): Promise<void> {
    let got: number;
    try {
      got = await this.#file.read(target, offset);
    } catch (cause) {
      if (!(cause instanceof FileError)) throw cause;
      this.#onDamage?.();
      throw this.corrupt(offset, 'the device could not read it', cause);
    }
    if (got < target.length) throw this.corrupt(offset + got, 'the file ends inside a block');
  }

  /** Puts blocks that `readBlocks` gave into the cache. */
  keepBlocks(from: number, blocks: readonly Uint8Array[]): void {
    for (const [at, bytes] of blocks.entries()) this.#cache.set(this.tableId, from + at, bytes);
  }

  corrupt(offset: number, what: string, cause?: unknown): KvError {
    return corruption(this.path, `${what} at offset ${offset}`, cause, offset);
  }

  /** One more user; each calls `release` once. */
  retain(): this {
    this.#users++;
    return this;
  }

  /** The last user's release closes the file, and removes it if the table was dropped. */
  release(): void {
    this.#users--;
    if (this.#users > 0) return;
    this.#disposals.track(this.#dispose());
  }

  async #dispose(): Promise<void> {
    await this.#file.close();
    if (this.#dropped) await this.#env.files.unlink(this.path);
  }

  /** Marks the file for removal: no MANIFEST lists it any more. */
  drop(): void {
    this.#dropped = true;
  }

  #find(bytes: Uint8Array, key: Uint8Array): IndexRecord | undefined {
    try {
      return findInBlock(bytes, key);
    } catch (cause) {
      throw corruption(this.path, 'a block with a right checksum cannot be read', cause);
    }
  }
}

function ownRecord(record: IndexRecord | undefined): IndexRecord | undefined {
  if (record?.kind !== 'inline') return record;
  return { ...record, value: record.value.slice() };
}

async function readParts(env: Env, file: FileHandle, listing: TableListing): Promise<TableParts> {
  const { path } = file;
  const sizeBytes = await file.sizeBytes();
  if (sizeBytes !== listing.sizeBytes) {
    const what = `${sizeBytes} bytes long, ${listing.sizeBytes} in the MANIFEST`;
    throw corruption(path, what, undefined, Math.min(sizeBytes, listing.sizeBytes));
  }
  const header = await readSection(file, { offset: 0, sizeBytes: TABLE_HEADER_SIZE_BYTES });
  const version = located(path, 0, () => checkTableHeader(header, listing.tableId));
  if (version !== TABLE_FORMAT_VERSION && version !== TABLE_FORMAT_OTHER_FILTER) {
    throw new NewerFormatError(
      `${path} has table format ${version}; this Holdfast reads up to ${TABLE_FORMAT_VERSION}: use the newer one`,
      { path, offset: 0 },
    );
  }
  const footerOffset = sizeBytes - TABLE_FOOTER_SIZE_BYTES;
  const footerBytes = await readSection(file, {
    offset: footerOffset,
    sizeBytes: TABLE_FOOTER_SIZE_BYTES,
  });
  const footer = located(path, footerOffset, () => {
    const decoded = decodeTableFooter(footerBytes, env.crc32c);
    if (env.crc32c(footerBytes.subarray(0, -4)) === listing.footerCrc) return decoded;
    throw new MalformedBytesError('another table than the one in the MANIFEST');
  });
  const checked = (section: TableSection, onPiece?: OnPiece): Promise<Uint8Array> => {
    const { offset } = section;
    if (offset + section.sizeBytes > footerOffset) {
      throw corruption(path, `a section past the end, at ${offset}`, undefined, footerOffset);
    }
    return readCheckedSection(file, section, env.crc32c, onPiece);
  };
  const propertiesBytes = await checked(footer.properties);
  const properties = located(path, footer.properties.offset, () =>
    decodeTableProperties(propertiesBytes),
  );
  const decoder = new BlockIndexDecoder(properties.blockCount, TABLE_HEADER_SIZE_BYTES);
  await checked(footer.index, (bytes, readBytes) => decoder.take(bytes, readBytes));
  const index = located(path, footer.index.offset, () => decoder.finish());
  const filterBytes = await checked(footer.filter);
  const filter = version === TABLE_FORMAT_VERSION ? filterBytes.subarray(0, -4) : fullFilter();
  return { listing, properties, index, filter };
}

/** Runs `decode`; what it finds malformed is damage at `offset` of the file. */
function located<Result>(path: string, offset: number, decode: () => Result): Result {
  try {
    return decode();
  } catch (cause) {
    if (!(cause instanceof MalformedBytesError)) throw cause;
    throw corruption(path, cause.message, cause, offset);
  }
}
