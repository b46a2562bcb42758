import type { Crc32c } from '@holdfast/bytes';
import { ByteWriter, MalformedBytesError, putU32 } from '@holdfast/bytes';
import type { IndexRecord } from './index-record.ts';
import { Slab } from './slab.ts';

/**
 * A block of a sorted table: entries in key order, each without the bytes that its key shares with the one
 * before. Every 16th entry, a restart point, has its whole key, so that a look-up begins with a binary
 * search. `docs/formats/table.md` has the byte tables.
 */

const RESTART_INTERVAL = 16;
/** Restart count and checksum. */
const BLOCK_TRAILER_SIZE_BYTES = 8;

/** Of rebuilt keys: a small buffer is cheaper than many, and than a large one. */
const KEY_SLAB_SIZE_BYTES = 2048;

const KIND_TOMBSTONE = 0;
const KIND_INLINE = 1;
const KIND_EXTENT = 2;

/** Collects entries, in order, into one block. */
export class BlockBuilder {
  readonly #writer: ByteWriter = new ByteWriter(16 * 1024);
  /** The last block was taken, and the next entry begins another. */
  #taken = false;
  #restarts: number[] = [];
  #count = 0;
  #lastKey: Uint8Array = new Uint8Array(0);

  get count(): number {
    return this.#count;
  }

  get sizeBytes(): number {
    const entriesBytes = this.#taken ? 0 : this.#writer.length;
    return entriesBytes + this.#restarts.length * 4 + BLOCK_TRAILER_SIZE_BYTES;
  }

  add(key: Uint8Array, record: IndexRecord): void {
    const writer = this.#taken ? this.#writer.reset() : this.#writer;
    this.#taken = false;
    let shared = 0;
    if (this.#count % RESTART_INTERVAL === 0) this.#restarts.push(writer.length);
    else shared = sharedPrefix(this.#lastKey, key);
    writer
      .varint(shared)
      .varint(key.length - shared)
      .bytes(key, shared);
    if (record.kind === 'tombstone') writer.u8(KIND_TOMBSTONE).varint(record.version);
    else if (record.kind === 'inline') {
      writer.u8(KIND_INLINE).varint(record.version).sized(record.value);
    } else {
      const { segmentId, offset, length, crc } = record.extent;
      writer.u8(KIND_EXTENT).varint(record.version);
      writer.varint(segmentId).varint(offset).varint(length).u32(crc);
    }
    this.#lastKey = key;
    this.#count++;
  }

  /** The block's bytes, valid until the next `add`. The builder is empty after it. */
  finish(crc32c: Crc32c): Uint8Array {
    const writer = this.#writer;
    for (const restart of this.#restarts) writer.u32(restart);
    writer.u32(this.#restarts.length);
    const bytes = withChecksum(writer, crc32c);
    this.#taken = true;
    this.#restarts = [];
    this.#count = 0;
    return bytes;
  }
}

/** The bytes written, followed by their CRC-32C. */
export function withChecksum(writer: ByteWriter, crc32c: Crc32c): Uint8Array {
  const length = writer.length;
  writer.u32(0);
  const bytes = writer.finish();
  putU32(bytes, length, crc32c(bytes.subarray(0, length)));
  return bytes;
}

/** Whether the last four bytes are the CRC-32C of the others. */
export function checksumHolds(bytes: Uint8Array, crc32c: Crc32c): boolean {
  const end = bytes.length - 4;
  return end >= 0 && crc32c(bytes.subarray(0, end)) === readU32(bytes, end);
}

/** Entries of a block that follow each other, keys rebuilt, records read when they are asked for. */
export interface DecodedEntries {
  readonly keys: readonly Uint8Array[];
  /** Bytes that each key shares, at least, with the one before. */
  readonly shared: readonly number[];
  recordAt(position: number): IndexRecord;
}

/** Rebuilds all keys of a block whose checksum was checked. Records share memory with it. */
export function decodeBlock(bytes: Uint8Array): DecodedEntries {
  const scanner = new BlockScanner(bytes);
  return decodeEntries(scanner, scanner.entriesEnd, keySlab());
}

/**
 * A block whose checksum was checked, in groups: the entries from one restart point to the next. Why: most walks are short, and
 * of the blocks where they begin and end they need a part.
 */
export class BlockGroups {
  readonly #scanner: BlockScanner;
  readonly #slab: Slab;

  /** Keys are rebuilt in the slab. */
  constructor(bytes: Uint8Array, slab: Slab) {
    this.#scanner = new BlockScanner(bytes);
    this.#slab = slab;
  }

  get count(): number {
    return this.#scanner.restartCount;
  }

  /** Throws a MalformedBytesError. */
  decode(group: number): DecodedEntries {
    const scanner = this.#scanner;
    const end = group + 1 === this.count ? scanner.entriesEnd : scanner.restartAt(group + 1);
    scanner.offset = scanner.restartAt(group);
    return decodeEntries(scanner, end, this.#slab);
  }

  /** The last group whose first key is not greater than `key`; the first where none is. */
  groupOf(key: Uint8Array): number {
    return Math.max(0, this.#scanner.restartsUpTo(key) - 1);
  }
}

/** Memory for keys that are rebuilt one after the other. */
export function keySlab(): Slab {
  return new Slab(KEY_SLAB_SIZE_BYTES);
}

/** From the scanner's position to `end`. */
function decodeEntries(scanner: BlockScanner, end: number, slab: Slab): DecodedEntries {
  const { bytes } = scanner;
  const keys: Uint8Array[] = [];
  const sharedBytes: number[] = [];
  const recordOffsets: number[] = [];
  let last: Uint8Array = bytes.subarray(0, 0);
  while (scanner.offset < end) {
    scanner.readKey();
    const { shared, suffixOffset, suffixLength } = scanner;
    if (shared > last.length) throw new MalformedBytesError('a prefix of more than the key');
    const key = slab.take(shared + suffixLength);
    for (let at = 0; at < shared; at++) key[at] = last[at] as number;
    // Not `set`, which would want a view of these few bytes first.
    for (let at = 0; at < suffixLength; at++) key[shared + at] = bytes[suffixOffset + at] as number;
    keys.push(key);
    sharedBytes.push(shared);
    recordOffsets.push(scanner.offset);
    scanner.skipRecord();
    last = key;
  }
  const recordAt = (position: number): IndexRecord =>
    scanner.recordAt(recordOffsets[position] as number);
  return { keys, shared: sharedBytes, recordAt };
}

/** The record of a key in a block whose checksum was checked; undefined where it is not there. */
export function findInBlock(bytes: Uint8Array, key: Uint8Array): IndexRecord | undefined {
  const scanner = new BlockScanner(bytes);
  const before = scanner.restartsUpTo(key);
  if (before === 0) return undefined;
  scanner.offset = scanner.restartAt(before - 1);
  // Invariant: the entry before is smaller than `key` and shares exactly `matched` bytes with it.
  let matched = 0;
  while (scanner.hasNext()) {
    scanner.readKey();
    // What an entry shares with a smaller one, it compares alike.
    if (scanner.shared < matched) return undefined;
    if (scanner.shared === matched) {
      const { suffixOffset, suffixLength } = scanner;
      const common = Math.min(suffixLength, key.length - matched);
      let at = 0;
      while (at < common && bytes[suffixOffset + at] === key[matched + at]) at++;
      matched += at;
      if (at === suffixLength) {
        if (matched === key.length) return scanner.recordAt(scanner.offset);
      } else if (matched === key.length) return undefined;
      else if ((bytes[suffixOffset + at] as number) > (key[matched] as number)) return undefined;
    }
    scanner.skipRecord();
  }
  return undefined;
}

/** Reads a block's fields in place. */
class BlockScanner {
  readonly bytes: Uint8Array;
  readonly entriesEnd: number;
  readonly restartCount: number;
  /** Of the next field. */
  offset = 0;
  shared = 0;
  suffixOffset = 0;
  suffixLength = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.restartCount = readU32(bytes, bytes.length - BLOCK_TRAILER_SIZE_BYTES);
    this.entriesEnd = bytes.length - BLOCK_TRAILER_SIZE_BYTES - this.restartCount * 4;
    if (this.entriesEnd < 0) throw new MalformedBytesError('a block of restart points only');
  }

  hasNext(): boolean {
    return this.offset < this.entriesEnd;
  }

  /** Leaves `offset` at the entry's record. */
  readKey(): void {
    this.shared = this.#varint();
    this.suffixLength = this.#varint();
    this.suffixOffset = this.offset;
    this.offset += this.suffixLength;
    if (this.offset > this.entriesEnd) throw new MalformedBytesError('a key past the entries');
  }

  skipRecord(): void {
    const kind = this.bytes[this.offset++];
    this.#varint();
    if (kind === KIND_INLINE) {
      const length = this.#varint();
      this.offset += length;
    } else if (kind === KIND_EXTENT) {
      this.#varint();
      this.#varint();
      this.#varint();
      this.offset += 4;
    } else if (kind !== KIND_TOMBSTONE) throw new MalformedBytesError(`unknown record ${kind}`);
  }

  recordAt(offset: number): IndexRecord {
    this.offset = offset;
    const kind = this.bytes[this.offset++];
    const version = this.#varint();
    if (kind === KIND_TOMBSTONE) return { kind: 'tombstone', version };
    if (kind === KIND_INLINE) {
      const length = this.#varint();
      const value = this.bytes.subarray(this.offset, this.offset + length);
      return { kind: 'inline', version, value };
    }
    if (kind !== KIND_EXTENT) throw new MalformedBytesError(`unknown record ${kind}`);
    const segmentId = this.#varint();
    const extentOffset = this.#varint();
    const length = this.#varint();
    const crc = readU32(this.bytes, this.offset);
    return { kind: 'extent', version, extent: { segmentId, offset: extentOffset, length, crc } };
  }

  /** Offset of a restart point's entry. */
  restartAt(restart: number): number {
    return readU32(this.bytes, this.entriesEnd + restart * 4);
  }

  /** Restart points whose key is not greater than `key`. */
  restartsUpTo(key: Uint8Array): number {
    let low = 0;
    let high = this.restartCount;
    while (low < high) {
      const middle = (low + high) >>> 1;
      this.offset = this.restartAt(middle);
      this.readKey();
      if (this.#compareSuffix(key) <= 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #compareSuffix(key: Uint8Array): number {
    const common = Math.min(this.suffixLength, key.length);
    for (let at = 0; at < common; at++) {
      const order = (this.bytes[this.suffixOffset + at] as number) - (key[at] as number);
      if (order !== 0) return order;
    }
    return this.suffixLength - key.length;
  }

  #varint(): number {
    let byte = this.bytes[this.offset++] as number;
    if (byte < 0x80) return byte;
    let value = byte & 0x7f;
    let scale = 0x80;
    do {
      byte = this.bytes[this.offset++] as number;
      value += (byte & 0x7f) * scale;
      scale *= 0x80;
    } while (byte >= 0x80 && this.offset < this.entriesEnd);
    return value;
  }
}

function sharedPrefix(left: Uint8Array, right: Uint8Array): number {
  const common = Math.min(left.length, right.length);
  let at = 0;
  while (at < common && left[at] === right[at]) at++;
  return at;
}

function readU32(bytes: Uint8Array, offset: number): number {
  const low = (bytes[offset] as number) | ((bytes[offset + 1] as number) << 8);
  const high = (bytes[offset + 2] as number) | ((bytes[offset + 3] as number) << 8);
  return ((high << 16) | low) >>> 0;
}
