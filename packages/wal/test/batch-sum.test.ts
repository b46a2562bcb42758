import { utf8 } from '@holdfast/bytes';
import { loadCrc32c } from '@holdfast/env/node';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BatchSum } from '../src/batch-sum.ts';
import { viewOf } from '../src/layout.ts';
import { encodeRecord, recordSizeBytes } from '../src/record-codec.ts';

const checksums = await loadCrc32c();
const FIRST_INDEX = 41;
const START = 12;

const record = fc.record({
  term: fc.integer({ min: 0, max: 2 ** 48 - 1 }),
  kind: fc.integer({ min: 0, max: 255 }),
  head: fc.uint8Array({ maxLength: 110 }),
  body: fc.constant(new Uint8Array()),
});
type Fields = typeof record extends fc.Arbitrary<infer T> ? T : never;

/** The records one behind another, from `START` on. */
function encoded(records: readonly Fields[]): Uint8Array {
  const sizes = records.map(({ head, body }) => recordSizeBytes(head.length, body.length));
  const bytes = new Uint8Array(sizes.reduce((sum, size) => sum + size, START)).fill(0xee);
  let at = START;
  for (const [position, { term, kind, head, body }] of records.entries()) {
    const index = FIRST_INDEX + position;
    const given = undefined;
    encodeRecord(
      bytes,
      viewOf(bytes),
      at,
      index,
      term,
      kind,
      head,
      [body],
      body.length,
      given,
      checksums,
    );
    at += sizes[position] as number;
  }
  return bytes;
}

function holds(bytes: Uint8Array, count: number, firstIndex = FIRST_INDEX): boolean {
  const sum = new BatchSum(checksums.crc32c);
  const crcs = new DataView(new ArrayBuffer(4 * count));
  return sum.holds(bytes, viewOf(bytes), START, bytes.length, firstIndex, count, crcs);
}

describe('the checksum of a batch, as its records say it', () => {
  it('is that of its bytes, for heads of any length', () => {
    fc.assert(
      fc.property(fc.array(record, { maxLength: 12 }), (records) => {
        expect(holds(encoded(records), records.length)).toBe(true);
      }),
    );
  });

  it('is another one where any bit differs, and for another count or index', () => {
    fc.assert(
      fc.property(fc.array(record, { minLength: 1, maxLength: 3 }), (records) => {
        const bytes = encoded(records);
        const { length: count } = records;
        for (let bit = 8 * START; bit < 8 * bytes.length; bit++) {
          const at = bit >> 3;
          bytes[at] = (bytes[at] as number) ^ (1 << (bit & 7));
          expect(holds(bytes, count), `bit ${bit}`).toBe(false);
          bytes[at] = (bytes[at] as number) ^ (1 << (bit & 7));
        }
        expect(holds(bytes, count)).toBe(true);
        expect(holds(bytes, count - 1)).toBe(false);
        expect(holds(bytes, count + 1)).toBe(false);
        expect(holds(bytes, count, FIRST_INDEX + 1)).toBe(false);
      }),
      { numRuns: 20 },
    );
  });

  it('says nothing of a batch with more lengths than it keeps', () => {
    const ofLengths = (lengths: number): Fields[] =>
      Array.from({ length: 200 }, (_, at) => {
        return {
          term: 1,
          kind: 1,
          head: new Uint8Array(8 * (at % lengths)),
          body: new Uint8Array(),
        };
      });
    expect(holds(encoded(ofLengths(40)), 200)).toBe(true);
    expect(holds(encoded(ofLengths(50)), 200)).toBe(false);
  });

  it('says nothing of a record with a body, whose checksum is of another kind', () => {
    fc.assert(
      fc.property(fc.array(record, { maxLength: 5 }), fc.nat(5), (records, at) => {
        const withBody = { term: 1, kind: 1, head: utf8('head'), body: utf8('body') };
        const all = records.toSpliced(at, 0, withBody);
        expect(holds(encoded(all), all.length)).toBe(false);
      }),
    );
  });

  it('says nothing of a record that is too large, and never reads past the end', () => {
    const body = new Uint8Array();
    const large = { term: 1, kind: 1, head: new Uint8Array(600), body };
    expect(holds(encoded([large]), 1)).toBe(false);
    fc.assert(
      fc.property(fc.uint8Array({ minLength: START, maxLength: 100 }), (bytes) => {
        expect(holds(bytes, 1)).toBe(false);
      }),
    );
  });
});
