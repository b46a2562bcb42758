/**
 * CRC-64/NVME: polynomial 0xAD93D23594C93659 (reflected 0x9A6C9329AC4BC9B5), reflected, initial value
 * and final xor all ones. Check value of "123456789": 0xAE8B14860A799888.
 *
 * Source: NVM Express, NVM Command Set Specification, "64b CRC".
 */
import { Crc64Folder, FOLDED_FROM_BYTES } from './crc64-folder.ts';
import {
  CRC64_INPUT_AT,
  CRC64_INPUT_BYTES,
  CRC64_SLICES,
  CRC64_SUM_AT,
  crc64Module,
} from './crc64-module.ts';
import { instantiate, type WasmExports } from './wasm-module.ts';

const POLYNOMIAL = 0x9a6c9329ac4bc9b5n;

/** What adds bytes to a sum. One a thread, for all sums, one after the other; it holds 256 KiB. */
export class Crc64Adder {
  readonly #add: WasmExports['run'];
  readonly #input: Uint8Array;
  /** The sum, its low word first. */
  readonly #sum: Int32Array;
  readonly #folder = Crc64Folder.load();

  constructor() {
    const { memory, run } = instantiate(crc64Module());
    fillTables(new BigUint64Array(memory.buffer, 0, CRC64_SLICES * 256));
    this.#add = run;
    this.#sum = new Int32Array(memory.buffer, CRC64_SUM_AT, 2);
    this.#input = new Uint8Array(memory.buffer, CRC64_INPUT_AT, CRC64_INPUT_BYTES);
  }

  /** Begins with the sum of these two words. */
  load(low: number, high: number): void {
    this.#sum[0] = low;
    this.#sum[1] = high;
  }

  add(bytes: Uint8Array): void {
    const folder = bytes.length < FOLDED_FROM_BYTES ? undefined : this.#folder;
    if (folder === undefined) return this.#addByTables(bytes);
    const shorter = folder.shortened(bytes, this.low, this.high);
    this.load(0, 0);
    this.#addByTables(shorter);
  }

  #addByTables(bytes: Uint8Array): void {
    for (let from = 0; from < bytes.length; from += CRC64_INPUT_BYTES) {
      const whole = bytes.length <= CRC64_INPUT_BYTES;
      const piece = whole ? bytes : bytes.subarray(from, from + CRC64_INPUT_BYTES);
      this.#input.set(piece);
      this.#add(CRC64_INPUT_AT, CRC64_INPUT_AT + piece.length);
    }
  }

  get low(): number {
    return this.#sum[0] as number;
  }

  get high(): number {
    return this.#sum[1] as number;
  }
}

/** At `slice * 256 + byte`: what that byte, followed by `slice` zero bytes, adds to the sum. In a millisecond or two. */
function fillTables(tables: BigUint64Array): void {
  for (let byte = 0; byte < 256; byte++) {
    let value = BigInt(byte);
    for (let bit = 0; bit < 8; bit++) value = value & 1n ? (value >> 1n) ^ POLYNOMIAL : value >> 1n;
    tables[byte] = value;
  }
  for (let at = 256; at < tables.length; at++) {
    const before = tables[at - 256] as bigint;
    tables[at] = (tables[Number(before & 0xffn)] as bigint) ^ (before >> 8n);
  }
}

/** A running sum. */
export class Crc64Nvme {
  readonly #adder: Crc64Adder;
  #low = -1;
  #high = -1;

  constructor(adder: Crc64Adder) {
    this.#adder = adder;
  }

  update(bytes: Uint8Array): void {
    const adder = this.#adder;
    adder.load(this.#low, this.#high);
    adder.add(bytes);
    this.#low = adder.low;
    this.#high = adder.high;
  }

  /** The sum so far, eight bytes, big-endian. */
  digest(): Uint8Array {
    const bytes = new Uint8Array(8);
    putUint32(bytes, 0, ~this.#high);
    putUint32(bytes, 4, ~this.#low);
    return bytes;
  }
}

/** Big-endian. Why not by a DataView: that takes a small array out of the engine's heap, which costs ten times as much. */
export function putUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}
