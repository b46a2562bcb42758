import { OperatingError } from './operating-error.ts';
import { fromUtf8 } from './utf8.ts';

const TWO_TO_32 = 0x1_0000_0000;

/** The bytes end before a field does, or a field holds what the format does not allow. */
export class MalformedBytesError extends OperatingError {
  override readonly code = 'MALFORMED_BYTES';
}

/**
 * Reads little-endian fields and never past the end: a length that does not fit is refused before
 * anything is allocated for it. Slices share memory with the source.
 */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get offset(): number {
    return this.#offset;
  }

  get remaining(): number {
    return this.#bytes.length - this.#offset;
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2), true);
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  /**
   * Eight bytes that must be a safe integer. Why a small one is not multiplied: the engine keeps a product of this kind as a
   * floating-point number, and a property that once held one changes the shape of all objects that begin with its name.
   * For that the log's append was compiled anew, time after time, for a caller that gave it one object again and again.
   */
  u64(): number {
    const offset = this.#take(8);
    const high = this.#view.getUint32(offset + 4, true);
    if (high > 0x1f_ffff) throw new MalformedBytesError(`u64 at ${offset} is not a safe integer`);
    const low = this.#view.getUint32(offset, true);
    return high === 0 ? low : high * TWO_TO_32 + low;
  }

  varint(): number {
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (!Number.isSafeInteger(value)) {
        throw new MalformedBytesError(`varint before ${this.#offset} is too large`);
      }
      if (byte < 0x80) return value;
      scale *= 0x80;
    }
  }

  /** `length` bytes, sharing memory with the source. */
  bytes(length: number): Uint8Array {
    // Why: a length computed from damaged fields may be negative, and would lead the reader back.
    if (!Number.isSafeInteger(length) || length < 0) {
      throw new MalformedBytesError(`${length} at ${this.#offset} is not a length`);
    }
    const offset = this.#take(length);
    return this.#bytes.subarray(offset, offset + length);
  }

  /** A varint length and that many bytes, sharing memory with the source. */
  sized(): Uint8Array {
    return this.bytes(this.varint());
  }

  /** A varint length and that many bytes of UTF-8. */
  text(): string {
    const at = this.#offset;
    try {
      return fromUtf8(this.sized());
    } catch (cause) {
      if (cause instanceof MalformedBytesError) throw cause;
      throw new MalformedBytesError(`text at ${at} is not UTF-8`, { cause });
    }
  }

  #take(length: number): number {
    const offset = this.#offset;
    if (length > this.#bytes.length - offset) {
      throw new MalformedBytesError(
        `${length} bytes wanted at ${offset}, ${this.#bytes.length - offset} left`,
      );
    }
    this.#offset = offset + length;
    return offset;
  }
}
