/**
 * CRC-64/NVME: polynomial 0xAD93D23594C93659 (reflected 0x9A6C9329AC4BC9B5), reflected, initial value
 * and final xor all ones. Check value of "123456789": 0xAE8B14860A799888.
 *
 * JavaScript has no fast 64-bit integers, so that the sum is kept as two 32-bit words, and eight bytes
 * are taken at a time with eight tables a word ("slicing by 8"): 1.4 GB/s where bigints give 0.02.
 *
 * Source: NVM Express, NVM Command Set Specification, "64b CRC"; Kounavis and Berry, "A Systematic
 * Approach to Building High Performance Software-based CRC Generators".
 */
const POLYNOMIAL = 0x9a6c9329ac4bc9b5n;
const SLICES = 8;

/** Entry `slice * 256 + byte`: what that byte, followed by `slice` zero bytes, adds to the sum. */
export interface Crc64Tables {
  readonly low: Int32Array;
  readonly high: Int32Array;
}

/** 16 KiB of tables, in about a millisecond. */
export function makeCrc64Tables(): Crc64Tables {
  const low = new Int32Array(SLICES * 256);
  const high = new Int32Array(SLICES * 256);
  const first: bigint[] = [];
  for (let byte = 0; byte < 256; byte++) {
    let value = BigInt(byte);
    for (let bit = 0; bit < 8; bit++) value = value & 1n ? (value >> 1n) ^ POLYNOMIAL : value >> 1n;
    first.push(value);
  }
  let current = first;
  for (let slice = 0; slice < SLICES; slice++) {
    for (const [byte, value] of current.entries()) {
      low[slice * 256 + byte] = Number(BigInt.asIntN(32, value));
      high[slice * 256 + byte] = Number(BigInt.asIntN(32, value >> 32n));
    }
    current = current.map((value) => (first[Number(value & 0xffn)] as bigint) ^ (value >> 8n));
  }
  return { low, high };
}

const LITTLE_ENDIAN = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;

/** A running sum. */
export class Crc64Nvme {
  readonly #tables: Crc64Tables;
  #low = -1;
  #high = -1;

  constructor(tables: Crc64Tables) {
    this.#tables = tables;
  }

  update(bytes: Uint8Array): void {
    // Words are read four-byte aligned; the bytes before and after them go one by one.
    const toAligned = (4 - (bytes.byteOffset % 4)) % 4;
    const head = LITTLE_ENDIAN ? Math.min(toAligned, bytes.length) : bytes.length;
    this.#addBytes(bytes, 0, head);
    const pairs = Math.floor((bytes.length - head) / 8);
    if (pairs > 0) {
      this.#addWords(new Int32Array(bytes.buffer, bytes.byteOffset + head, pairs * 2));
    }
    this.#addBytes(bytes, head + pairs * 8, bytes.length);
  }

  /** The sum so far, eight bytes, big-endian. */
  digest(): Uint8Array {
    const bytes = new Uint8Array(8);
    const view = new DataView(bytes.buffer);
    view.setInt32(0, ~this.#high);
    view.setInt32(4, ~this.#low);
    return bytes;
  }

  #addBytes(bytes: Uint8Array, from: number, to: number): void {
    const { low, high } = this.#tables;
    let l = this.#low;
    let h = this.#high;
    for (let at = from; at < to; at++) {
      const entry = (l ^ (bytes[at] as number)) & 0xff;
      l = ((l >>> 8) | (h << 24)) ^ (low[entry] as number);
      h = (h >>> 8) ^ (high[entry] as number);
    }
    this.#low = l;
    this.#high = h;
  }

  #addWords(words: Int32Array): void {
    const { low, high } = this.#tables;
    let l = this.#low;
    let h = this.#high;
    for (let at = 0; at < words.length; at += 2) {
      const a = l ^ (words[at] as number);
      const b = h ^ (words[at + 1] as number);
      const i7 = 1792 + (a & 0xff);
      const i6 = 1536 + ((a >>> 8) & 0xff);
      const i5 = 1280 + ((a >>> 16) & 0xff);
      const i4 = 1024 + (a >>> 24);
      const i3 = 768 + (b & 0xff);
      const i2 = 512 + ((b >>> 8) & 0xff);
      const i1 = 256 + ((b >>> 16) & 0xff);
      const i0 = b >>> 24;
      l =
        (low[i7] as number) ^
        (low[i6] as number) ^
        (low[i5] as number) ^
        (low[i4] as number) ^
        (low[i3] as number) ^
        (low[i2] as number) ^
        (low[i1] as number) ^
        (low[i0] as number);
      h =
        (high[i7] as number) ^
        (high[i6] as number) ^
        (high[i5] as number) ^
        (high[i4] as number) ^
        (high[i3] as number) ^
        (high[i2] as number) ^
        (high[i1] as number) ^
        (high[i0] as number);
    }
    this.#low = l;
    this.#high = h;
  }
}
