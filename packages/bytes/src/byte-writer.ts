import { InvariantError } from './invariant.ts';
import { utf8 } from './utf8.ts';

const TWO_TO_32 = 0x1_0000_0000;
/** Up to here a loop copies faster than a call does, and without a view of a part. */
const FEW_BYTES = 48;
/** The engine keeps the bytes of arrays up to this in its own heap, until somebody asks for their `buffer` or for a view. */
const HEAP_ARRAY_BYTES = 64;

/**
 * Writes little-endian fields into a buffer that grows. `finish()` hands over the bytes; the writer
 * may not be used after it, or only after `reset()`.
 *
 * Why byte by byte and not through a DataView: it is another object, and takes a small array out of the engine's heap.
 */
export class ByteWriter {
  #bytes: Uint8Array;
  #length = 0;

  /** Begins in memory of so many bytes, or in this, which is the writer's from now on. */
  constructor(initial: number | Uint8Array = 256) {
    this.#bytes = typeof initial === 'number' ? new Uint8Array(initial) : initial;
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#length;
  }

  u8(value: number): this {
    if ((value & 0xff) !== value) refuse('u8', value);
    const offset = this.#reserve(1);
    this.#bytes[offset] = value;
    return this;
  }

  u16(value: number): this {
    if ((value & 0xffff) !== value) refuse('u16', value);
    const offset = this.#reserve(2);
    this.#bytes[offset] = value;
    this.#bytes[offset + 1] = value >>> 8;
    return this;
  }

  u32(value: number): this {
    if (value >>> 0 !== value) refuse('u32', value);
    this.#put32(this.#reserve(4), value);
    return this;
  }

  /** A safe integer as eight bytes. */
  u64(value: number): this {
    if (!Number.isSafeInteger(value) || value < 0) refuse('u64', value);
    const offset = this.#reserve(8);
    this.#put32(offset, value % TWO_TO_32);
    this.#put32(offset + 4, Math.floor(value / TWO_TO_32));
    return this;
  }

  /** LEB128: seven bits a byte, low first; one byte up to 127. */
  varint(value: number): this {
    if (!Number.isSafeInteger(value) || value < 0) refuse('varint', value);
    let rest = value;
    while (rest >= 0x80) {
      this.u8((rest % 0x80) | 0x80);
      rest = Math.floor(rest / 0x80);
    }
    return this.u8(rest);
  }

  /** The bytes alone from `start` on, no length. */
  bytes(value: Uint8Array, start: number = 0): this {
    const length = value.length - start;
    const offset = this.#reserve(length);
    if (start === 0 && length > FEW_BYTES) this.#bytes.set(value, offset);
    else if (length > FEW_BYTES) this.#bytes.set(value.subarray(start), offset);
    else {
      const bytes = this.#bytes;
      for (let at = 0; at < length; at++) bytes[offset + at] = value[start + at] as number;
    }
    return this;
  }

  /** A varint length, then the bytes. */
  sized(value: Uint8Array): this {
    return this.varint(value.length).bytes(value);
  }

  /** A varint length, then the UTF-8 bytes. */
  text(value: string): this {
    return this.sized(utf8(value));
  }

  /** The bytes written. Few are copied, of more the writer gives up its buffer. */
  finish(): Uint8Array {
    const isSmall = this.#bytes.length <= HEAP_ARRAY_BYTES;
    return isSmall ? this.#bytes.slice(0, this.#length) : this.#bytes.subarray(0, this.#length);
  }

  /** Begins anew in the same buffer: what `finish` gave is overwritten. */
  reset(): this {
    this.#length = 0;
    return this;
  }

  #put32(offset: number, value: number): void {
    const bytes = this.#bytes;
    bytes[offset] = value;
    bytes[offset + 1] = value >>> 8;
    bytes[offset + 2] = value >>> 16;
    bytes[offset + 3] = value >>> 24;
  }

  #reserve(sizeBytes: number): number {
    const offset = this.#length;
    const needed = offset + sizeBytes;
    if (needed > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
      grown.set(this.#bytes.subarray(0, offset));
      this.#bytes = grown;
    }
    this.#length = needed;
    return offset;
  }
}

// Safety: an array takes a number that is too large cut to its low bits, and say nothing.
function refuse(field: string, value: number): never {
  throw new InvariantError(`not a ${field}: ${value}`);
}
