import { ByteReader, ByteWriter, type Crc32c, MalformedBytesError } from '@holdfast/bytes';
import type { IndexRecord } from './index-record.ts';

/** Odd, so that multiplying by it loses nothing. */
const MIX = 0x9e37_79b1;
const FORMAT_VERSION = 1;
/** Of a record: version, length and checksum of the value. */
const FIELDS_SIZE_BYTES = 16;
/** Room for the fields and most keys, or for most small values. */
const JOINED_SIZE_BYTES = 256;
/** Up to here a loop copies faster than a call does. */
const FEW_BYTES = 48;

/**
 * A hash of what the store holds: of every key with its version and value, in no order, so that a change costs as much as
 * what is changed. Where values lie is not part of it: nodes that hold the same have the same hash. It finds out nodes that
 * went apart by mistake; it resists nobody.
 */
export class StateHash {
  readonly #crc32c: Crc32c;
  /** Memory in which is put together what is summed. */
  readonly #joined: Uint8Array = new Uint8Array(JOINED_SIZE_BYTES);
  readonly #view: DataView;
  #low = 0;
  #high = 0;

  constructor(crc32c: Crc32c) {
    this.#crc32c = crc32c;
    this.#view = new DataView(this.#joined.buffer);
  }

  /** 16 hexadecimal digits. */
  get text(): string {
    return [this.#high, this.#low].map((lane) => lane.toString(16).padStart(8, '0')).join('');
  }

  /** The key has another record now; a tombstone is as good as none. */
  change(key: Uint8Array, before: IndexRecord | undefined, after: IndexRecord | undefined): void {
    this.#add(key, before, -1);
    this.#add(key, after, 1);
  }

  /** As bytes, with the index after whose record it is so. */
  encode(index: number): Uint8Array {
    return new ByteWriter(24)
      .u8(FORMAT_VERSION)
      .varint(index)
      .u32(this.#low)
      .u32(this.#high)
      .finish();
  }

  /** Takes over what `encode` gave, if it is of that index. */
  load(bytes: Uint8Array, index: number): boolean {
    const reader = new ByteReader(bytes);
    const version = reader.u8();
    if (version !== FORMAT_VERSION)
      throw new MalformedBytesError(`state hash of format ${version}`);
    if (reader.varint() !== index) return false;
    this.#low = reader.u32();
    this.#high = reader.u32();
    return true;
  }

  #add(key: Uint8Array, record: IndexRecord | undefined, sign: 1 | -1): void {
    if (record === undefined || record.kind === 'tombstone') return;
    const isInline = record.kind === 'inline';
    const valueCrc = isInline ? this.#sum(record.value, 0) : record.extent.crc;
    const length = isInline ? record.value.length : record.extent.length;
    const view = this.#view;
    view.setUint32(0, record.version % 0x1_0000_0000, true);
    view.setUint32(4, Math.floor(record.version / 0x1_0000_0000), true);
    view.setUint32(8, length, true);
    view.setUint32(12, valueCrc, true);
    const crc = this.#sum(key, FIELDS_SIZE_BYTES);
    const mixed = Math.imul(crc ^ (valueCrc >>> 7) ^ record.version, MIX) ^ (crc >>> 15);
    this.#low = (this.#low + sign * crc) >>> 0;
    this.#high = (this.#high + sign * (mixed >>> 0)) >>> 0;
  }

  /**
   * The checksum of the first `from` bytes that were put together, and of `bytes`. Why not in two steps: each call with other
   * memory than the last makes a view of it, which takes longer than to copy a key.
   */
  #sum(bytes: Uint8Array, from: number): number {
    const joined = this.#joined;
    const end = from + bytes.length;
    if (end > joined.length) return this.#crc32c(bytes, this.#crc32c(joined, 0, 0, from));
    if (bytes.length > FEW_BYTES) joined.set(bytes, from);
    else for (let at = from; at < end; at++) joined[at] = bytes[at - from] as number;
    return this.#crc32c(joined, 0, 0, end);
  }
}
