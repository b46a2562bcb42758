import { invariant } from '@holdfast/bytes';
import {
  crc64FoldModule,
  FOLD_INPUT_AT,
  FOLD_MEMORY_BYTES,
  FOLD_REACH_BYTES,
  FOLD_STEP_BYTES,
} from './crc64-fold-module.ts';
import { instantiate, isRunnable, type WasmExports } from './wasm-module.ts';

/** Of a message that is folded piece by piece. Why no more: it is still in the cache when it is folded. */
const PIECE_BYTES = 65_536;
/** Of the end, at a time: less than the least distance, so that nothing is moved within it. */
const UNMOVED_BYTES = 560;
/** The last piece is at most so long. Why longer than others: the end that is left must lie in it. */
const LAST_PIECE_BYTES: number = FOLD_MEMORY_BYTES - FOLD_INPUT_AT - UNMOVED_BYTES;

/** Shorter messages are as fast by tables. */
export const FOLDED_FROM_BYTES = 16_384;

/** Makes long messages short ones with the same CRC-64/NVME. One a thread; it holds 128 KiB. */
export class Crc64Folder {
  readonly #fold: WasmExports['run'];
  readonly #memory: Uint8Array;

  private constructor(module: Uint8Array<ArrayBuffer>) {
    const { memory, run } = instantiate(module);
    this.#fold = run;
    this.#memory = new Uint8Array(memory.buffer);
  }

  /** undefined on a machine without vector instructions. */
  static load(): Crc64Folder | undefined {
    const module = crc64FoldModule();
    return isRunnable(module) ? new Crc64Folder(module) : undefined;
  }

  /**
   * What has the sum, begun with 0, that the bytes have, begun with the sum of these two words. It is this folder's memory, as it
   * is until the next call. At least `FOLDED_FROM_BYTES`.
   */
  shortened(bytes: Uint8Array, low: number, high: number): Uint8Array {
    invariant(bytes.length >= FOLDED_FROM_BYTES, 'a message that is folded is long');
    const memory = this.#memory;
    memory.fill(0, 0, FOLD_INPUT_AT);
    let from = 0;
    for (; bytes.length - from > LAST_PIECE_BYTES; from += PIECE_BYTES) {
      memory.set(bytes.subarray(from, from + PIECE_BYTES), FOLD_INPUT_AT);
      if (from === 0) this.#addSum(low, high);
      this.#foldPiece(FOLD_INPUT_AT, FOLD_INPUT_AT + PIECE_BYTES);
      // What comes next has this before it.
      memory.copyWithin(0, PIECE_BYTES, PIECE_BYTES + FOLD_INPUT_AT);
    }
    memory.set(from === 0 ? bytes : bytes.subarray(from), FOLD_INPUT_AT);
    if (from === 0) this.#addSum(low, high);
    return this.#foldLast(bytes.length - from);
  }

  /** As a sum is added to the bytes that follow it. */
  #addSum(low: number, high: number): void {
    for (let at = 0; at < 8; at++) {
      const byte = (at < 4 ? low : high) >>> (8 * (at & 3));
      this.#memory[FOLD_INPUT_AT + at] = (this.#memory[FOLD_INPUT_AT + at] as number) ^ byte;
    }
  }

  #foldPiece(at: number, end: number): void {
    this.#fold(at - FOLD_REACH_BYTES, end - FOLD_REACH_BYTES);
  }

  /** Folds as far as what is moved has a place in the message; what is behind that gets what was moved there, and stays. */
  #foldLast(sizeBytes: number): Uint8Array {
    const memory = this.#memory;
    const messageEnd = FOLD_INPUT_AT + sizeBytes;
    const end = messageEnd - FOLD_REACH_BYTES - ((sizeBytes - FOLD_REACH_BYTES) % FOLD_STEP_BYTES);
    this.#foldPiece(FOLD_INPUT_AT, end);
    for (let at = end; at < messageEnd; at += UNMOVED_BYTES) {
      this.#foldPiece(at, at + UNMOVED_BYTES);
      memory.copyWithin(at - end, at, at + UNMOVED_BYTES);
      // Nothing of it is moved.
      memory.fill(0, at, at + UNMOVED_BYTES);
    }
    return memory.subarray(0, messageEnd - end);
  }
}
