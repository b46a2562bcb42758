import type { Clock } from '@holdfast/env';
import type { IndexRecord } from './index-record.ts';
import type { IndexSource } from './index-source.ts';
import { HEAD, KEY_LENGTH, NEXT, NODE_WORDS, VALUE } from './key-list.ts';
import { readRecord } from './record-versions.ts';

/** Bytes copied between two turns of the event loop: a millisecond, in memory that is new. */
const PIECE_SIZE_BYTES: number = 1024 * 1024;

/** The memory of a memtable, to be handed to another thread. Why not shared with it: see ADR 0032. */
export interface MemtableCopy {
  /** Of `KeyList`. */
  readonly keys: Uint8Array<ArrayBuffer>;
  /** Of `RecordVersions`. */
  readonly records: Uint8Array<ArrayBuffer>;
  /** Of `ByteSlabs`. */
  readonly values: Uint8Array<ArrayBuffer>;
}

/** The parts, one behind the other, in memory of their own. */
export async function joined(
  parts: readonly Uint8Array[],
  clock: Pick<Clock, 'turn'>,
): Promise<Uint8Array<ArrayBuffer>> {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  let untilTurn = PIECE_SIZE_BYTES;
  for (const part of parts) {
    for (let from = 0; from < part.length; ) {
      const piece = part.subarray(from, from + untilTurn);
      whole.set(piece, offset);
      from += piece.length;
      offset += piece.length;
      untilTurn -= piece.length;
      if (untilTurn > 0) continue;
      untilTurn = PIECE_SIZE_BYTES;
      await clock.turn();
    }
  }
  return whole;
}

/** A walk over all keys of the copy in their order, each with its newest record. */
export class MemtableCopySource implements IndexSource {
  readonly #bytes: Uint8Array;
  readonly #words: Int32Array;
  readonly #recordWords: Int32Array;
  readonly #values: { at(reference: number, length: number): Uint8Array };
  #node = 0;
  key: Uint8Array | undefined;

  constructor({ keys, records, values }: MemtableCopy) {
    this.#bytes = keys;
    this.#words = wordsOf(keys);
    this.#recordWords = wordsOf(records);
    this.#values = { at: (reference, length) => values.subarray(reference, reference + length) };
  }

  get record(): IndexRecord {
    const at = this.#words[this.#node + VALUE] as number;
    return readRecord(this.#recordWords, this.#values, at);
  }

  /** To the first of all. */
  seek(): undefined {
    this.#stand(HEAD);
    return this.advance();
  }

  advance(): undefined {
    if (this.#node !== 0) this.#stand(this.#words[this.#node + NEXT] as number);
    return undefined;
  }

  #stand(node: number): void {
    this.#node = node;
    const start = (node + NODE_WORDS) * 4;
    const end = start + (this.#words[node + KEY_LENGTH] as number);
    this.key = node === 0 ? undefined : this.#bytes.slice(start, end);
  }
}

function wordsOf({ buffer, byteLength }: Uint8Array): Int32Array {
  return new Int32Array(buffer, 0, byteLength / 4);
}
