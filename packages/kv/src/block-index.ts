import type { Crc32c } from '@holdfast/bytes';
import { ByteReader, ByteWriter, MalformedBytesError } from '@holdfast/bytes';
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

  private constructor(keys: Uint8Array, keyStarts: Uint32Array, blockStarts: Float64Array) {
    this.count = keyStarts.length - 1;
    this.#keys = keys;
    this.#keyStarts = keyStarts;
    this.#blockStarts = blockStarts;
  }

  /** Decodes a section whose checksum was checked. Throws a MalformedBytesError. */
  static decode(section: Uint8Array, blockCount: number, firstBlockOffset: number): BlockIndex {
    const bytes = section.subarray(0, section.length - 4);
    if (blockCount > bytes.length)
      throw new MalformedBytesError(`${blockCount} blocks in the index`);
    const keyStarts = new Uint32Array(blockCount + 1);
    const blockStarts = new Float64Array(blockCount + 1);
    const keys = new Uint8Array(bytes.length);
    const reader = new ByteReader(bytes);
    let used = 0;
    let offset = firstBlockOffset;
    for (let block = 0; block < blockCount; block++) {
      keyStarts[block] = used;
      blockStarts[block] = offset;
      offset += reader.varint();
      const key = reader.sized();
      keys.set(key, used);
      used += key.length;
    }
    keyStarts[blockCount] = used;
    blockStarts[blockCount] = offset;
    if (reader.remaining !== 0) throw new MalformedBytesError('bytes left over in the index');
    return new BlockIndex(keys.slice(0, used), keyStarts, blockStarts);
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
