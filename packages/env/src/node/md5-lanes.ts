import { invariant } from '@holdfast/bytes';
import {
  MD5_BLOCK_BYTES,
  MD5_INPUT_AT,
  MD5_LANE_BYTES,
  MD5_LANES,
  MD5_STATE_AT,
  md5Module,
} from './md5-module.ts';
import { instantiate, isRunnable, type WasmExports } from './wasm-module.ts';

/** A message may have so many bytes. */
export const MD5_MESSAGE_BYTES = 16_384;
/** Behind a message: a bit that is set, and its length in bits, in eight bytes. */
const ENDING_BYTES = 9;
const WORD_BYTES = 4;
const DIGEST_BYTES = 16;
const START = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476] as const;

/**
 * MD5 of up to four messages at once: four of 4 KiB take 1.5 times as long as one. One a thread; it holds 128 KiB.
 *
 * Source: RFC 1321.
 */
export class Md5Lanes {
  readonly #run: WasmExports['run'];
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  private constructor(module: Uint8Array<ArrayBuffer>) {
    const { memory, run } = instantiate(module);
    this.#run = run;
    this.#bytes = new Uint8Array(memory.buffer);
    this.#view = new DataView(memory.buffer);
    for (let step = 0; step < 64; step++) {
      this.#setWord(step * WORD_BYTES, Math.floor(Math.abs(Math.sin(step + 1)) * 2 ** 32));
    }
  }

  /** undefined on a machine without vector instructions. */
  static load(): Md5Lanes | undefined {
    const module = md5Module();
    return isRunnable(module) ? new Md5Lanes(module) : undefined;
  }

  /** The digests of at most `MD5_LANES` messages, each of at most `MD5_MESSAGE_BYTES`. */
  digests(messages: readonly Uint8Array[]): Uint8Array[] {
    invariant(messages.length <= MD5_LANES, 'a lane is for one message');
    for (const [at, word] of START.entries()) {
      for (let lane = 0; lane < MD5_LANES; lane++) this.#setWord(wordAt(at, lane), word);
    }
    const lanes = messages.map((message, lane) => ({ lane, end: this.#write(message, lane) }));
    const digests: Uint8Array[] = [];
    let from = 0;
    // The shortest ends first: what its lane holds behind it is hashed in vain.
    for (const { lane, end } of lanes.sort((left, right) => left.end - right.end)) {
      this.#run(from, end);
      from = end;
      digests[lane] = this.#digest(lane);
    }
    return digests;
  }

  /** Returns where the last block of the message ends, in the input of its lane. */
  #write(message: Uint8Array, lane: number): number {
    const { length } = message;
    invariant(length <= MD5_MESSAGE_BYTES, 'a message fits into its lane');
    const at = MD5_INPUT_AT + lane * MD5_LANE_BYTES;
    const end = Math.ceil((length + ENDING_BYTES) / MD5_BLOCK_BYTES) * MD5_BLOCK_BYTES;
    this.#bytes.set(message, at);
    this.#bytes.fill(0, at + length, at + end);
    this.#bytes[at + length] = 0x80;
    this.#setWord(at + end - 2 * WORD_BYTES, length * 8);
    return end;
  }

  #digest(lane: number): Uint8Array {
    const digest = new Uint8Array(DIGEST_BYTES);
    for (let at = 0; at < DIGEST_BYTES; at++) {
      const word = Math.floor(at / WORD_BYTES);
      digest[at] = this.#bytes[wordAt(word, lane) + (at % WORD_BYTES)] as number;
    }
    return digest;
  }

  #setWord(at: number, word: number): void {
    this.#view.setUint32(at, word, true);
  }
}

/** Where the state has this word of a lane. */
function wordAt(at: number, lane: number): number {
  return MD5_STATE_AT + (at * MD5_LANES + lane) * WORD_BYTES;
}
