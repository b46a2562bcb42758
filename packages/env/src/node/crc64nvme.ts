/**
 * CRC-64/NVME: polynomial 0xAD93D23594C93659 (reflected 0x9A6C9329AC4BC9B5), reflected, initial value
 * and final xor all ones. Check value of "123456789": 0xAE8B14860A799888.
 *
 * JavaScript has no fast 64-bit integers, so that the sum is kept as two 32-bit words, and eight bytes
 * are taken at a time with eight tables ("slicing by 8"): 1.5 GB/s where bigints give 0.02.
 *
 * Source: NVM Express, NVM Command Set Specification, "64b CRC"; Kounavis and Berry, "A Systematic
 * Approach to Building High Performance Software-based CRC Generators".
 */
const POLYNOMIAL = 0x9a6c9329ac4bc9b5n;
const SLICES = 8;

/**
 * At `2 * (slice * 256 + byte)`: what that byte, followed by `slice` zero bytes, adds to the low word of the sum; the high
 * word's is next to it. Why not an array a word: both are wanted at once, and this way they come together.
 */
export type Crc64Tables = Int32Array;

/** 16 KiB of tables, in about a millisecond. */
export function makeCrc64Tables(): Crc64Tables {
  const tables = new Int32Array(2 * SLICES * 256);
  const first: bigint[] = [];
  for (let byte = 0; byte < 256; byte++) {
    let value = BigInt(byte);
    for (let bit = 0; bit < 8; bit++) value = value & 1n ? (value >> 1n) ^ POLYNOMIAL : value >> 1n;
    first.push(value);
  }
  let current = first;
  for (let slice = 0; slice < SLICES; slice++) {
    for (const [byte, value] of current.entries()) {
      const at = 2 * (slice * 256 + byte);
      tables[at] = Number(BigInt.asIntN(32, value));
      tables[at + 1] = Number(BigInt.asIntN(32, value >> 32n));
    }
    current = current.map((value) => (first[Number(value & 0xffn)] as bigint) ^ (value >> 8n));
  }
  return tables;
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
    const tables = this.#tables;
    let l = this.#low;
    let h = this.#high;
    for (let at = from; at < to; at++) {
      const entry = ((l ^ (bytes[at] as number)) & 0xff) << 1;
      l = ((l >>> 8) | (h << 24)) ^ (tables[entry] as number);
      h = (h >>> 8) ^ (tables[entry + 1] as number);
    }
    this.#low = l;
    this.#high = h;
  }

  #addWords(words: Int32Array): void {
    const tables = this.#tables;
    let l = this.#low;
    let h = this.#high;
    for (let at = 0; at < words.length; at += 2) {
      const a = l ^ (words[at] as number);
      const b = h ^ (words[at + 1] as number);
      // Twice the byte, in the table of its slice: 512 words each, from the last one on.
      const i7 = 3584 + ((a << 1) & 0x1fe);
      const i6 = 3072 + ((a >>> 7) & 0x1fe);
      const i5 = 2560 + ((a >>> 15) & 0x1fe);
      const i4 = 2048 + ((a >>> 23) & 0x1fe);
      const i3 = 1536 + ((b << 1) & 0x1fe);
      const i2 = 1024 + ((b >>> 7) & 0x1fe);
      const i1 = 512 + ((b >>> 15) & 0x1fe);
      const i0 = (b >>> 23) & 0x1fe;
      l =
        (tables[i7] as number) ^
        (tables[i6] as number) ^
        (tables[i5] as number) ^
        (tables[i4] as number) ^
        (tables[i3] as number) ^
        (tables[i2] as number) ^
        (tables[i1] as number) ^
        (tables[i0] as number);
      h =
        (tables[i7 + 1] as number) ^
        (tables[i6 + 1] as number) ^
        (tables[i5 + 1] as number) ^
        (tables[i4 + 1] as number) ^
        (tables[i3 + 1] as number) ^
        (tables[i2 + 1] as number) ^
        (tables[i1 + 1] as number) ^
        (tables[i0 + 1] as number);
    }
    this.#low = l;
    this.#high = h;
  }
}
