import type { Crc32c } from '@holdfast/bytes';
import { ByteReader, ByteWriter, MalformedBytesError } from '@holdfast/bytes';
import { KEY_SIZE_LIMIT_BYTES } from './limits.ts';
import { withChecksum } from './table-block.ts';
import type { TableSection } from './table-format.ts';

/**
 * The sparse index of a table: for each block a key that is not smaller than its last and smaller than the
 * next block's first, as short as that allows, and the block's size. In memory it is three flat arrays, so
 * that a million blocks are no million objects.
 */
export class BlockIndexBuilder {
  readonly #writer: ByteWriter = new ByteWriter(4096);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  add(separator: Uint8Array, sizeBytes: number): void {
    this.#writer.varint(sizeBytes).sized(separator);
    this.#count++;
  }

  finish(crc32c: Crc32c): Uint8Array {
    return withChecksum(this.#writer, crc32c);
  }
}

/** The shortest key that is `>= left` and `< right`, for `left < right`. */
export function shortestSeparator(left: Uint8Array, right: Uint8Array): Uint8Array {
  let shared = 0;
  while (shared < left.length && left[shared] === right[shared]) shared++;
  const ours = left[shared];
  const theirs = right[shared];
  if (ours === undefined || theirs === undefined || ours + 1 >= theirs) return left;
  const separator = left.slice(0, shared + 1);
  separator[shared] = ours + 1;
  return separator;
}

export class BlockIndex {
  readonly count: number;
  readonly #keys: Uint8Array;
  /** Start of each key in `#keys`, and the end of the last. */
  readonly #keyStarts: Uint32Array;
  /** Offset of each block in the file, and the end of the last. */
  readonly #blockStarts: Float64Array;

  /** Of the arrays that `BlockIndexDecoder` makes, which it takes over. */
  constructor(keys: Uint8Array, keyStarts: Uint32Array, blockStarts: Float64Array) {
    this.count = keyStarts.length - 1;
    this.#keys = keys;
    this.#keyStarts = keyStarts;
    this.#blockStarts = blockStarts;
  }

  /** The first block that may hold `key` or a greater one; `count` where none may. */
  blockOf(key: Uint8Array): number {
    const keys = this.#keys;
    let low = 0;
    let high = this.count;
    // What both neighbours share with `key`, every separator between them does: see `KeyList`.
    let lowShared = 0;
    let highShared = 0;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const start = this.#keyStarts[middle] as number;
      const length = (this.#keyStarts[middle + 1] as number) - start;
      const common = length < key.length ? length : key.length;
      let at = lowShared < highShared ? lowShared : highShared;
      while (at < common && keys[start + at] === key[at]) at++;
      const order =
        at < common ? (keys[start + at] as number) - (key[at] as number) : length - key.length;
      if (order < 0) {
        low = middle + 1;
        lowShared = at;
      } else {
        high = middle;
        highShared = at;
      }
    }
    return low;
  }

  section(block: number): TableSection {
    const offset = this.#blockStarts[block] as number;
    return { offset, sizeBytes: (this.#blockStarts[block + 1] as number) - offset };
  }

  get sizeBytes(): number {
    return this.#keys.length + this.#keyStarts.byteLength + this.#blockStarts.byteLength;
  }
}

/** A size, a key's length, and a key of an index; no entry is longer. */
const LONGEST_ENTRY_BYTES: number = 10 + 10 + KEY_SIZE_LIMIT_BYTES + 1;

/**
 * Decodes the section of a table while it is read, piece by piece. Why: at once, the index of a hundred million
 * entries would hold up the event loop for a tenth of a second.
 */
export class BlockIndexDecoder {
  readonly #blockCount: number;
  #reader: ByteReader | undefined;
  #keys: Uint8Array = new Uint8Array(0);
  #keyStarts: Uint32Array = new Uint32Array(1);
  #blockStarts: Float64Array = new Float64Array(1);
  #block = 0;
  #keysBytes = 0;
  #offset: number;
  #failure: MalformedBytesError | undefined;

  constructor(blockCount: number, firstBlockOffset: number) {
    this.#blockCount = blockCount;
    this.#offset = firstBlockOffset;
  }

  /**
   * Decodes what is whole in the first `readBytes` of the section, the same buffer in each call. Never throws: what is
   * malformed may be so since the checksum, which is known at the end, is wrong.
   */
  take(section: Uint8Array, readBytes: number): void {
    if (this.#failure !== undefined) return;
    try {
      const reader = this.#reader ?? this.#begin(section);
      const end = readBytes === section.length ? Number.POSITIVE_INFINITY : readBytes;
      while (this.#block < this.#blockCount && reader.offset + LONGEST_ENTRY_BYTES <= end) {
        this.#decodeEntry(reader);
      }
    } catch (error) {
      if (!(error instanceof MalformedBytesError)) throw error;
      this.#failure = error;
    }
  }

  /** After the last piece. Throws a MalformedBytesError. */
  finish(): BlockIndex {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#reader?.remaining !== 0)
      throw new MalformedBytesError('bytes left over in the index');
    this.#keyStarts[this.#blockCount] = this.#keysBytes;
    this.#blockStarts[this.#blockCount] = this.#offset;
    return new BlockIndex(this.#keys.slice(0, this.#keysBytes), this.#keyStarts, this.#blockStarts);
  }

  #begin(section: Uint8Array): ByteReader {
    const bytes = section.subarray(0, section.length - 4);
    const count = this.#blockCount;
    if (count > bytes.length) throw new MalformedBytesError(`${count} blocks in the index`);
    this.#reader = new ByteReader(bytes);
    this.#keys = new Uint8Array(bytes.length);
    this.#keyStarts = new Uint32Array(count + 1);
    this.#blockStarts = new Float64Array(count + 1);
    return this.#reader;
  }

  #decodeEntry(reader: ByteReader): void {
    this.#keyStarts[this.#block] = this.#keysBytes;
    this.#blockStarts[this.#block] = this.#offset;
    this.#offset += reader.varint();
    const key = reader.sized();
    this.#keys.set(key, this.#keysBytes);
    this.#keysBytes += key.length;
    this.#block++;
  }
}
