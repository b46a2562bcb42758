import type { Crc32c } from '@holdfast/bytes';
import { ByteWriter } from '@holdfast/bytes';
import type { Env, FileHandle, Files } from '@holdfast/env';
import { BlockIndexBuilder, shortestSeparator } from './block-index.ts';
import { BloomFilterBuilder } from './bloom-filter.ts';
import { GatheredFile } from './gathered-file.ts';
import type { IndexRecord } from './index-record.ts';
import type { IndexSource } from './index-source.ts';
import type { TableListing } from './sorted-table.ts';
import { BlockBuilder, withChecksum } from './table-block.ts';
import type { TableProperties, TableSection } from './table-format.ts';
import {
  BLOCK_SIZE_BYTES,
  encodeTableFooter,
  encodeTableHeader,
  encodeTableProperties,
} from './table-format.ts';

// Why: between two writes the event loop is given way to, and 256 KiB are gathered in a few
// milliseconds.
const WRITE_SIZE_BYTES: number = 256 * 1024;
/**
 * Entries, a quarter of a millisecond, between two turns of the event loop. Why so few: a flush is to fill the time in which
 * writers wait for the disk, and when the disk has answered they wait for the flush.
 */
const SLICE_ENTRIES = 256;

export interface TableWriteRequest {
  readonly tableId: number;
  readonly path: string;
  readonly appliedIndex: number;
  /** The source has at most so many; sizes the filter. */
  readonly expectedEntries: number;
  /** Where there is no older table that a tombstone could hide something of. */
  readonly dropTombstones: boolean;
}

export interface WrittenTable {
  readonly properties: TableProperties;
  readonly sizeBytes: number;
  /** The last four bytes of the file: they tell it from any other file. */
  readonly footerCrc: number;
}

/**
 * Writes all that the source has, from its very first key, into a new file. Durability: the file's bytes
 * are synced when it resolves; its name is not before the caller syncs the folder. `onSlice` is called now and
 * then, and ends it by throwing.
 */
export async function writeTable(
  env: Env,
  request: TableWriteRequest,
  source: IndexSource,
  onSlice?: () => void,
): Promise<WrittenTable> {
  const file = await env.files.open(request.path, 'create');
  try {
    const writer = new TableWriter(file, env.crc32c, request);
    const pending = source.seek(undefined);
    if (pending !== undefined) await pending;
    let entries = 0;
    for (let key = source.key; key !== undefined; key = source.key) {
      if (++entries % SLICE_ENTRIES === 0) await env.clock.turn();
      const record = source.record;
      if (record.kind !== 'tombstone' || !request.dropTombstones) {
        writer.add(key, record);
        if (writer.isFull) {
          await writer.flush();
          onSlice?.();
        }
      }
      const advanced = source.advance();
      if (advanced !== undefined) await advanced;
    }
    return await writer.finish();
  } finally {
    await file.close();
  }
}

/** As `writeTable`. Durability: the file's name is synced too when it resolves; no MANIFEST lists it yet. */
export async function writeTableIn(
  directory: string,
  env: Env,
  request: TableWriteRequest,
  source: IndexSource,
  onSlice?: () => void,
): Promise<TableListing> {
  const { sizeBytes, footerCrc } = await writeTable(env, request, source, onSlice);
  await env.files.syncDirectory(directory);
  return { tableId: request.tableId, sizeBytes, footerCrc };
}

/** Removes what a try before that failed may have left of a file. */
export async function unlinkLeftOver(files: Files, path: string): Promise<void> {
  if ((await files.stat(path)) !== undefined) await files.unlink(path);
}

class TableWriter {
  readonly #file: GatheredFile;
  readonly #crc32c: Crc32c;
  readonly #appliedIndex: number;
  readonly #block = new BlockBuilder();
  readonly #index = new BlockIndexBuilder();
  readonly #filter: BloomFilterBuilder;
  #entryCount = 0;
  #tombstoneCount = 0;
  #firstKey: Uint8Array = new Uint8Array(0);
  #lastKey: Uint8Array = new Uint8Array(0);

  constructor(file: FileHandle, crc32c: Crc32c, request: TableWriteRequest) {
    this.#file = new GatheredFile(file);
    this.#crc32c = crc32c;
    this.#appliedIndex = request.appliedIndex;
    this.#filter = new BloomFilterBuilder(request.expectedEntries);
    this.#push(encodeTableHeader(request.tableId));
  }

  get isFull(): boolean {
    return this.#file.pendingBytes >= WRITE_SIZE_BYTES;
  }

  add(key: Uint8Array, record: IndexRecord): void {
    if (this.#block.sizeBytes >= BLOCK_SIZE_BYTES) this.#closeBlock(key);
    if (this.#entryCount === 0) this.#firstKey = key;
    this.#block.add(key, record);
    this.#filter.add(key);
    this.#lastKey = key;
    this.#entryCount++;
    if (record.kind === 'tombstone') this.#tombstoneCount++;
  }

  flush(): Promise<void> {
    return this.#file.flush();
  }

  async finish(): Promise<WrittenTable> {
    if (this.#block.count > 0) this.#closeBlock(undefined);
    const properties: TableProperties = {
      entryCount: this.#entryCount,
      tombstoneCount: this.#tombstoneCount,
      blockCount: this.#index.count,
      appliedIndex: this.#appliedIndex,
      firstKey: this.#firstKey,
      lastKey: this.#lastKey,
    };
    const filterBits = new ByteWriter(0).bytes(this.#filter.finish());
    const filter = this.#push(withChecksum(filterBits, this.#crc32c));
    const index = this.#push(this.#index.finish(this.#crc32c));
    const described = this.#push(encodeTableProperties(properties, this.#crc32c));
    const footer = encodeTableFooter({ filter, index, properties: described }, this.#crc32c);
    const footerCrc = await this.#file.finish(footer);
    return { properties, sizeBytes: this.#file.sizeBytes, footerCrc };
  }

  #closeBlock(nextKey: Uint8Array | undefined): void {
    const section = this.#push(this.#block.finish(this.#crc32c));
    const last = this.#lastKey;
    this.#index.add(nextKey ? shortestSeparator(last, nextKey) : last, section.sizeBytes);
  }

  #push(bytes: Uint8Array): TableSection {
    const offset = this.#file.sizeBytes;
    this.#file.push(bytes);
    return { offset, sizeBytes: bytes.length };
  }
}
