import type { Crc32c } from '@holdfast/bytes';
import {
  RECORD_HEADER_BYTES,
  recordBodyCrc,
  recordBodyLength,
  recordCrc,
  recordHeadLength,
  recordIndex,
  recordSizeBytes,
} from './record-codec.ts';

/** Bytes of a record's own checksum, which comes first and does not cover itself. */
const CRC_BYTES = 4;
/** The longest head and body whose step is kept. What is longer is not worth it: its own checksum takes one call. */
const MOST_BYTES = 512;
/** Lengths whose steps are kept. Of a log with many a step serves few records, and takes as long as thirty of their checksums. */
const MOST_STEPS = 48;

/** What appending zeros does to the register of a CRC, as eight tables of a half byte each. */
type Step = Int32Array;

/**
 * The CRC-32C of a batch's content as the checksums in its records say it must be, so that one call over all of it verifies
 * them all: for a batch of small records in a third of the time of one checksum each.
 *
 * Safety: a CRC is linear, so damage within one record changes the sum of the whole exactly where it changes its own. Damage
 * in several may cancel out once in four billion, as any may.
 *
 * Source: Adler, zlib, `crc32_combine`.
 */
export class BatchSum {
  readonly #crc32c: Crc32c;
  readonly #steps = new Map<number, Step>();

  constructor(crc32c: Crc32c) {
    this.#crc32c = crc32c;
  }

  /**
   * Whether the `count` records from `start` to `end` are whole, index and body included, as far as that can be told so. False
   * says nothing: a damaged record, one that is too large, too many lengths, or garbage in the padding, which does no harm.
   */
  holds(
    bytes: Uint8Array,
    view: DataView,
    start: number,
    end: number,
    firstIndex: number,
    count: number,
  ): boolean {
    const skipCrc = this.#step(CRC_BYTES);
    let register = -1;
    let at = start;
    for (let position = 0; position < count; position++) {
      if (at + RECORD_HEADER_BYTES > end) return false;
      const headLength = recordHeadLength(view, at);
      const bodyLength = recordBodyLength(view, at);
      if (headLength > MOST_BYTES || bodyLength > MOST_BYTES) return false;
      const next = at + recordSizeBytes(headLength, bodyLength);
      if (next > end || recordIndex(view, at) !== firstIndex + position) return false;
      const skipHead = this.#step(RECORD_HEADER_BYTES - CRC_BYTES + headLength);
      const skipBody = this.#step(bodyLength);
      const skipPadding = this.#step(next - at - RECORD_HEADER_BYTES - headLength - bodyLength);
      if (!skipCrc || !skipHead || !skipBody || !skipPadding) return false;
      const crc = recordCrc(view, at);
      register = stepped(skipCrc, register ^ crc);
      register = stepped(skipHead, ~register) ^ ~crc;
      if (bodyLength > 0) register = stepped(skipBody, ~register) ^ ~recordBodyCrc(view, at);
      register = stepped(skipPadding, register);
      at = next;
    }
    return at === end && ~register >>> 0 === this.#crc32c(bytes, 0, start, end);
  }

  #step(zeros: number): Step | undefined {
    const known = this.#steps.get(zeros);
    if (known !== undefined || this.#steps.size >= MOST_STEPS) return known;
    const step = makeStep(this.#crc32c, zeros);
    this.#steps.set(zeros, step);
    return step;
  }
}

function stepped(step: Step, register: number): number {
  return (
    (step[register & 15] as number) ^
    (step[16 + ((register >>> 4) & 15)] as number) ^
    (step[32 + ((register >>> 8) & 15)] as number) ^
    (step[48 + ((register >>> 12) & 15)] as number) ^
    (step[64 + ((register >>> 16) & 15)] as number) ^
    (step[80 + ((register >>> 20) & 15)] as number) ^
    (step[96 + ((register >>> 24) & 15)] as number) ^
    (step[112 + (register >>> 28)] as number)
  );
}

function makeStep(crc32c: Crc32c, zeros: number): Step {
  const bytes = new Uint8Array(zeros);
  const step = new Int32Array(128);
  for (let half = 0; half < 8; half++) {
    for (let value = 1; value < 16; value++) {
      const lowest = value & -value;
      // A checksum is the register inverted, before and after.
      step[half * 16 + value] =
        value === lowest
          ? ~crc32c(bytes, ~(value << (4 * half)) >>> 0)
          : (step[half * 16 + lowest] as number) ^ (step[half * 16 + value - lowest] as number);
    }
  }
  return step;
}
