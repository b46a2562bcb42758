/**
 * The CRC of a concatenation from the CRCs of its pieces and their lengths, without the bytes.
 *
 * A CRC is a remainder of polynomials over GF(2). With the register's initial value and final xor both
 * all ones, crc(A B) = crc(A) * x^(8 |B|) + crc(B) modulo the CRC's polynomial. All three CRCs of S3
 * are reflected: bit 0 of the register's top byte position holds the highest power, so multiplying by
 * x shifts right. Values are pairs of 32-bit words; a 32-bit CRC has only the high one.
 *
 * Source: W. W. Peterson, D. T. Brown, "Cyclic Codes for Error Detection" (1961).
 */
import type { DigestResults } from '@holdfast/env';
import type { ChecksumAlgorithm } from './object-store.ts';

/** CRCs that can be combined. */
export type CrcAlgorithm = Extract<ChecksumAlgorithm, `crc${string}`>;

interface Crc {
  /** Words of the register: 1 or 2. */
  readonly words: 1 | 2;
  /** Reflected polynomial without its highest term. */
  readonly high: number;
  readonly low: number;
}

const CRCS: Readonly<Record<CrcAlgorithm, Crc>> = {
  crc32: { words: 1, high: 0xedb88320, low: 0 },
  crc32c: { words: 1, high: 0x82f63b78, low: 0 },
  crc64nvme: { words: 2, high: 0x9a6c9329, low: 0xac4bc9b5 },
};

/** A polynomial: the highest bit of `high` is the power 0. */
interface Polynomial {
  readonly high: number;
  readonly low: number;
}

export function isCrc(algorithm: ChecksumAlgorithm): algorithm is CrcAlgorithm {
  return algorithm in CRCS;
}

export interface CrcPiece {
  /** Big-endian, as everywhere. */
  readonly crc: Uint8Array;
  readonly sizeBytes: number;
}

/** The CRC of all pieces in order. */
export function combineCrcs(algorithm: CrcAlgorithm, pieces: readonly CrcPiece[]): Uint8Array {
  const crc = CRCS[algorithm];
  const shifts = new ShiftTable(crc);
  let combined: Polynomial = { high: 0, low: 0 };
  for (const piece of pieces) {
    const own = parse(crc, piece.crc);
    const shifted = multiply(crc, combined, shifts.byBytes(piece.sizeBytes));
    combined = { high: (shifted.high ^ own.high) >>> 0, low: (shifted.low ^ own.low) >>> 0 };
  }
  return format(crc, combined);
}

/** x^(8 n) modulo the polynomial. Remembers them: most parts of an upload have one size. */
class ShiftTable {
  readonly #crc: Crc;
  readonly #bySize = new Map<number, Polynomial>();
  /** x^(8 * 2^k). */
  readonly #squares: Polynomial[] = [];

  constructor(crc: Crc) {
    this.#crc = crc;
    // x^8: eight places right of the power 0.
    this.#squares.push({ high: 0x0080_0000, low: 0 });
  }

  byBytes(count: number): Polynomial {
    const known = this.#bySize.get(count);
    if (known !== undefined) return known;
    let shift: Polynomial = { high: 0x8000_0000, low: 0 };
    for (let bit = 0, rest = count; rest > 0; bit++, rest = Math.floor(rest / 2)) {
      if (rest % 2 === 1) shift = multiply(this.#crc, shift, this.#square(bit));
    }
    this.#bySize.set(count, shift);
    return shift;
  }

  #square(bit: number): Polynomial {
    while (this.#squares.length <= bit) {
      const last = this.#squares.at(-1) as Polynomial;
      this.#squares.push(multiply(this.#crc, last, last));
    }
    return this.#squares[bit] as Polynomial;
  }
}

/** left * right modulo the polynomial: adds `right * x^n` for each power n in `left`. */
function multiply(crc: Crc, left: Polynomial, right: Polynomial): Polynomial {
  let { high, low } = right;
  let sumHigh = 0;
  let sumLow = 0;
  for (let power = 0; power < crc.words * 32; power++) {
    const word = power < 32 ? left.high : left.low;
    if (((word >>> (31 - (power % 32))) & 1) === 1) {
      sumHigh ^= high;
      sumLow ^= low;
    }
    const carry = (crc.words === 1 ? high : low) & 1;
    if (crc.words === 2) low = (low >>> 1) | ((high & 1) << 31);
    high >>>= 1;
    if (carry === 1) {
      high ^= crc.high;
      low ^= crc.low;
    }
  }
  return { high: sumHigh >>> 0, low: sumLow >>> 0 };
}

/** As digests have it. */
export function crc32Bytes(crc: number): Uint8Array {
  return format(CRCS.crc32, { high: crc, low: 0 });
}

/** A value's CRC-32 as the KvStore takes it, where a digest has it. */
export function crc32Of(digests: DigestResults): number | undefined {
  const bytes = digests.get('crc32');
  return bytes && parse(CRCS.crc32, bytes).high;
}

function parse(crc: Crc, bytes: Uint8Array): Polynomial {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { high: view.getUint32(0), low: crc.words === 2 ? view.getUint32(4) : 0 };
}

function format(crc: Crc, value: Polynomial): Uint8Array {
  const bytes = new Uint8Array(crc.words * 4);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, value.high);
  if (crc.words === 2) view.setUint32(4, value.low);
  return bytes;
}
