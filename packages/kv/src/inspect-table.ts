import { ByteReader, compareBytes, MalformedBytesError, toHex } from '@holdfast/bytes';
import type { Env, FileHandle } from '@holdfast/env';
import { hashKey, mayContain } from './bloom-filter.ts';
import { checksumHolds, decodeBlock } from './table-block.ts';
import type { TableFooter, TableProperties, TableSection } from './table-format.ts';
import {
  checkTableHeader,
  decodeTableFooter,
  decodeTableProperties,
  TABLE_FOOTER_SIZE_BYTES,
  TABLE_FORMAT_OTHER_FILTER,
  TABLE_FORMAT_VERSION,
  TABLE_HEADER_SIZE_BYTES,
  tableIdOf,
} from './table-format.ts';

/** One thing found in the file of a sorted table, in the order of reading. Plain data: JSON as it is. */
export type TableFinding =
  | { readonly kind: 'table'; readonly file: string; readonly sizeBytes: number }
  | {
      readonly kind: 'properties';
      readonly file: string;
      readonly entryCount: number;
      readonly tombstoneCount: number;
      readonly blockCount: number;
      readonly appliedIndex: number;
      /** Internal keys, hexadecimal: the first byte is the key space, see docs/formats/keys.md. */
      readonly firstKey: string;
      readonly lastKey: string;
    }
  | {
      readonly kind: 'block';
      readonly file: string;
      readonly block: number;
      readonly offset: number;
      readonly sizeBytes: number;
      readonly entries: number;
      readonly tombstones: number;
      readonly extents: number;
      readonly firstKey: string;
      readonly lastKey: string;
    }
  | {
      readonly kind: 'damage';
      readonly file: string;
      readonly offset: number;
      readonly problem: string;
    }
  | {
      readonly kind: 'end';
      readonly file: string;
      readonly blocks: number;
      readonly entries: number;
      readonly damages: number;
    };

/** A block as the index of the table names it. */
interface ListedBlock extends TableSection {
  readonly separator: Uint8Array;
}

/** What the footer leads to; undefined where it is damaged. */
interface Parts {
  readonly properties: TableProperties | undefined;
  readonly filter: Uint8Array | undefined;
  readonly blocks: readonly ListedBlock[] | undefined;
}

/**
 * Everything in the file of a sorted table: its parts, every block with its checksum, the order of the keys, and whether
 * the filter knows them. Reads only, takes no lock, and goes on behind what is damaged.
 *
 * Rejects with the `FileError` of the system where the file cannot be read.
 */
export async function* inspectTable(env: Env, path: string): AsyncGenerator<TableFinding> {
  const file = path.slice(Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\')) + 1);
  const handle = await env.files.open(path, 'read');
  try {
    yield* new TableInspector(env, file, handle, await handle.sizeBytes()).run();
  } finally {
    await handle.close();
  }
}

/** A finding as a line for people. */
export function describeTableFinding(finding: TableFinding): string {
  switch (finding.kind) {
    case 'table':
      return `${finding.file}: ${finding.sizeBytes} bytes`;
    case 'properties':
      return (
        `  ${finding.entryCount} entries in ${finding.blockCount} blocks, ${finding.tombstoneCount} of them deletions, ` +
        `applied up to ${finding.appliedIndex}, keys ${finding.firstKey} to ${finding.lastKey}`
      );
    case 'block':
      return (
        `  ${finding.offset}: block ${finding.block}, ${finding.sizeBytes} bytes, ${finding.entries} entries, ` +
        `${finding.extents} extents, keys ${finding.firstKey} to ${finding.lastKey}`
      );
    case 'damage':
      return `  ${finding.offset}: DAMAGED: ${finding.problem}`;
    case 'end':
      return `  end: ${finding.entries} entries in ${finding.blocks} whole blocks`;
  }
}

class TableInspector {
  readonly #env: Env;
  readonly #file: string;
  readonly #handle: FileHandle;
  readonly #sizeBytes: number;
  #damages = 0;
  #entries = 0;
  #blocks = 0;
  #lastKey: Uint8Array | undefined;

  constructor(env: Env, file: string, handle: FileHandle, sizeBytes: number) {
    this.#env = env;
    this.#file = file;
    this.#handle = handle;
    this.#sizeBytes = sizeBytes;
  }

  async *run(): AsyncGenerator<TableFinding> {
    yield { kind: 'table', file: this.#file, sizeBytes: this.#sizeBytes };
    const found: TableFinding[] = [];
    const parts = await this.#readParts((finding) => found.push(finding));
    yield* found;
    for (const [block, listed] of (parts.blocks ?? []).entries()) {
      yield* await this.#inspectBlock(block, listed, parts.filter);
    }
    const expected = parts.properties?.entryCount ?? this.#entries;
    if (this.#damages === 0 && expected !== this.#entries) {
      yield this.#damage(0, `${this.#entries} entries, and its properties say ${expected}`);
    }
    yield {
      kind: 'end',
      file: this.#file,
      blocks: this.#blocks,
      entries: this.#entries,
      damages: this.#damages,
    };
  }

  #damage(offset: number, problem: string): TableFinding {
    this.#damages++;
    return { kind: 'damage', file: this.#file, offset, problem };
  }

  async #readParts(found: (finding: TableFinding) => void): Promise<Parts> {
    const attempt = async <T>(offset: number, read: () => Promise<T> | T) => {
      try {
        return await read();
      } catch (error) {
        if (!(error instanceof MalformedBytesError)) throw error;
        found(this.#damage(offset, error.message));
        return undefined;
      }
    };
    const version = await attempt(0, () => this.#checkHeader());
    const footerOffset = this.#sizeBytes - TABLE_FOOTER_SIZE_BYTES;
    const footer = await attempt(Math.max(footerOffset, 0), async (): Promise<TableFooter> => {
      const section = { offset: footerOffset, sizeBytes: TABLE_FOOTER_SIZE_BYTES };
      return decodeTableFooter(
        await this.#section(section, footerOffset + section.sizeBytes),
        this.#env.crc32c,
      );
    });
    if (footer === undefined) {
      found(this.#damage(0, 'without its footer the blocks of a table cannot be found'));
      return { properties: undefined, filter: undefined, blocks: undefined };
    }
    const properties = await attempt(footer.properties.offset, async () =>
      decodeTableProperties(await this.#checked(footer.properties, 'properties', footerOffset)),
    );
    if (properties !== undefined) found(propertiesFinding(this.#file, properties));
    const blocks = await attempt(footer.index.offset, async () =>
      decodeListedBlocks(await this.#checked(footer.index, 'index', footerOffset)),
    );
    const filter = await attempt(footer.filter.offset, async () =>
      (await this.#checked(footer.filter, 'filter', footerOffset)).subarray(0, -4),
    );
    if (version === TABLE_FORMAT_OTHER_FILTER) return { properties, filter: undefined, blocks };
    return { properties, filter, blocks };
  }

  async #checkHeader(): Promise<number> {
    const section = { offset: 0, sizeBytes: TABLE_HEADER_SIZE_BYTES };
    const bytes = await this.#section(section, this.#sizeBytes);
    const named = tableIdOf(this.#file) ?? new ByteReader(bytes.subarray(8)).u64();
    const version = checkTableHeader(bytes, named);
    if (version === TABLE_FORMAT_VERSION || version === TABLE_FORMAT_OTHER_FILTER) return version;
    const newest = `this Holdfast reads up to ${TABLE_FORMAT_VERSION}`;
    throw new MalformedBytesError(`format ${version}; ${newest}`);
  }

  async #inspectBlock(
    block: number,
    listed: ListedBlock,
    filter: Uint8Array | undefined,
  ): Promise<TableFinding[]> {
    const { offset, sizeBytes } = listed;
    try {
      const bytes = await this.#checked(listed, `block ${block}`, this.#sizeBytes);
      const { keys, recordAt } = decodeBlock(bytes);
      const counts = { tombstones: 0, extents: 0 };
      for (const [at, key] of keys.entries()) {
        const { kind } = recordAt(at);
        if (kind === 'tombstone') counts.tombstones++;
        else if (kind === 'extent') counts.extents++;
        this.#checkKey(block, key, listed.separator, filter);
      }
      this.#blocks++;
      this.#entries += keys.length;
      const [firstKey, lastKey] = [textOf(keys[0]), textOf(keys.at(-1))];
      const entries = keys.length;
      const file = this.#file;
      return [
        { kind: 'block', file, block, offset, sizeBytes, entries, ...counts, firstKey, lastKey },
      ];
    } catch (error) {
      if (!(error instanceof MalformedBytesError)) throw error;
      return [this.#damage(offset, error.message)];
    }
  }

  #checkKey(
    block: number,
    key: Uint8Array,
    separator: Uint8Array,
    filter: Uint8Array | undefined,
  ): void {
    const last = this.#lastKey;
    this.#lastKey = key;
    if (last !== undefined && compareBytes(last, key) >= 0) {
      throw new MalformedBytesError(`the keys of block ${block} are out of order`);
    }
    if (compareBytes(key, separator) > 0) {
      throw new MalformedBytesError(`block ${block} has a key behind its place in the index`);
    }
    if (filter !== undefined && !mayContain(filter, hashKey(key))) {
      throw new MalformedBytesError(`block ${block} has a key that the filter does not know`);
    }
  }

  async #checked(section: TableSection, name: string, end: number): Promise<Uint8Array> {
    const bytes = await this.#section(section, end);
    if (checksumHolds(bytes, this.#env.crc32c)) return bytes;
    throw new MalformedBytesError(`wrong checksum of the ${name}`);
  }

  /** Safety: no length is believed that goes past `end`. */
  async #section(section: TableSection, end: number): Promise<Uint8Array> {
    const { offset, sizeBytes } = section;
    if (offset < 0 || offset + sizeBytes > end) {
      throw new MalformedBytesError('too short for what it should hold');
    }
    const bytes = new Uint8Array(sizeBytes);
    const got = await this.#handle.read(bytes, offset);
    if (got < sizeBytes) throw new MalformedBytesError(`the file ends at ${offset + got}`);
    return bytes;
  }
}

function propertiesFinding(file: string, properties: TableProperties): TableFinding {
  const { firstKey, lastKey, ...counts } = properties;
  return {
    kind: 'properties',
    file,
    ...counts,
    firstKey: textOf(firstKey),
    lastKey: textOf(lastKey),
  };
}

function decodeListedBlocks(section: Uint8Array): ListedBlock[] {
  const reader = new ByteReader(section.subarray(0, -4));
  const blocks: ListedBlock[] = [];
  let offset = TABLE_HEADER_SIZE_BYTES;
  while (reader.remaining > 0) {
    const sizeBytes = reader.varint();
    blocks.push({ offset, sizeBytes, separator: reader.sized() });
    offset += sizeBytes;
  }
  return blocks;
}

function textOf(key: Uint8Array | undefined): string {
  return key === undefined ? '' : toHex(key);
}
