import { OperatingError } from './operating-error.ts';
import { fromUtf8 } from './utf8.ts';

const TWO_TO_32 = 0x1_0000_0000;

/** The bytes end before a field does, or a field holds what the format does not allow. */
export class MalformedBytesError extends OperatingError {
  override readonly code = 'MALFORMED_BYTES';
}

/** The bytes say that they are of a format, or a kind, that this Holdfast does not know: a newer one wrote them. */
export class NewerBytesError extends MalformedBytesError {
  /** `what` is what has the format, or the kind. */
  constructor(what: string, found: number, known: number) {
    super(`${what} ${found}; this Holdfast reads up to ${known}: use the newer one`);
  }
}

/**
 * Reads little-endian fields and never past the end: a length that does not fit is refused before
 * anything is allocated for it. Slices share memory with the source.
 */
export class ByteReader {
  readonly #bytes: Uint8Array;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get offset(): number {
    return this.#offset;
  }

  get remaining(): number {
    return this.#bytes.length - this.#offset;
  }

  u8(): number {
    return this.#bytes[this.#take(1)] as number;
  }

  u16(): number {
    const offset = this.#take(2);
    return (this.#bytes[offset] as number) | ((this.#bytes[offset + 1] as number) << 8);
  }

  u32(): number {
    return this.#get32(this.#take(4));
  }

  /**
   * Eight bytes that must be a safe integer. Why a small one is not multiplied: the engine keeps a product of this kind as a
   * floating-point number, and a property that once held one changes the shape of all objects that begin with its name.
   * For that the log's append was compiled anew, time after time, for a caller that gave it one object again and again.
   */
  u64(): number {
    const offset = this.#take(8);
    const high = this.#get32(offset + 4);
    if (high > 0x1f_ffff) throw new MalformedBytesError(`u64 at ${offset} is not a safe integer`);
    const low = this.#get32(offset);
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

  #get32(offset: number): number {
    const bytes = this.#bytes;
    const low = (bytes[offset] as number) | ((bytes[offset + 1] as number) << 8);
    const high = (bytes[offset + 2] as number) | ((bytes[offset + 3] as number) << 8);
    return (low | (high << 16)) >>> 0;
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
