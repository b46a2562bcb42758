import { readFile } from 'node:fs/promises';
import { fromHex, fromUtf8, logIndex, term, toHex, utf8 } from '@holdfast/bytes';
import { loadCrc32c } from '@holdfast/env/node';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BATCH_HEADER_BYTES, decodeBatchHeader, encodeBatchHeader } from '../src/batch-header.ts';
import { BatchSum } from '../src/batch-sum.ts';
import { BLOCK_BYTES, TRAILER_MAGIC, viewOf } from '../src/layout.ts';
import {
  checkRecordFields,
  decodeRecord,
  encodeRecord,
  recordSizeBytes,
  verifyRecord,
} from '../src/record-codec.ts';
import { decodeTrailer, stampTrailer } from '../src/segment-footer.ts';
import { decodeSegmentHeader, encodeSegmentHeader } from '../src/segment-header.ts';
import { contentIsWhole } from '../src/segment-scan.ts';
import { decodeStateSlot, encodeStateSlot } from '../src/state-slots.ts';
import { IDENTITY } from './fixtures/logs.ts';

const checksums = await loadCrc32c();
const { crc32c, bodyChecksum } = checksums;

describe('a record', () => {
  const record = fc.record({
    index: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    term: fc.integer({ min: 0, max: 2 ** 48 - 1 }),
    kind: fc.integer({ min: 0, max: 255 }),
    head: fc.uint8Array({ maxLength: 200 }),
    body: fc.array(fc.uint8Array({ maxLength: 100 }), { maxLength: 4 }),
  });

  it('decodes to what was encoded, in a buffer that was dirty', () => {
    fc.assert(
      fc.property(record, ({ index, term: recordTerm, kind, head, body }) => {
        const bodyLength = body.reduce((sum, part) => sum + part.length, 0);
        const size = recordSizeBytes(head.length, bodyLength);
        const bytes = new Uint8Array(size + 24).fill(0xee);
        const view = viewOf(bytes);
        encodeRecord(
          bytes,
          view,
          8,
          index,
          recordTerm,
          kind,
          head,
          body,
          bodyLength,
          undefined,
          checksums,
        );
        const decoded = decodeRecord(bytes, view, 8, bytes.length, crc32c);
        expect(decoded).toMatchObject({
          index,
          term: recordTerm,
          kind,
          bodyLength,
          sizeBytes: size,
        });
        expect(decoded?.head).toEqual(head);
        expect(verifyRecord(bytes, view, 8, 8 + size, index, checksums)).toBe(size);
        expect(bytes.subarray(0, 8).every((byte) => byte === 0xee)).toBe(true);
        expect(bytes.subarray(8 + size).every((byte) => byte === 0xee)).toBe(true);
      }),
    );
  });

  it('with the checksum of its body given is the same as with it computed; a wrong one is found', () => {
    const [head, body] = [utf8('head'), utf8('body')];
    const encode = (given: number | undefined): Uint8Array => {
      const bytes = new Uint8Array(64);
      encodeRecord(bytes, viewOf(bytes), 0, 5, 1, 2, head, [body], 4, given, checksums);
      return bytes;
    };
    expect(encode(bodyChecksum.of([body]))).toEqual(encode(undefined));
    const wrong = encode((bodyChecksum.of([body]) ^ 1) >>> 0);
    expect(verifyRecord(wrong, viewOf(wrong), 0, 64, 5, checksums)).toBe(0);
  });

  it('with any bit of header, head or body changed is not verified, under either checksum', () => {
    const body = utf8('body');
    for (const bodyCrc of [undefined, crc32c(body)]) {
      const bytes = new Uint8Array(64);
      const view = viewOf(bytes);
      encodeRecord(bytes, view, 0, 5, 1, 2, utf8('head'), [body], 4, bodyCrc, checksums);
      for (let bit = 0; bit < 8 * 40; bit++) {
        const at = bit >> 3;
        bytes[at] = (bytes[at] as number) ^ (1 << (bit & 7));
        expect(verifyRecord(bytes, view, 0, 64, 5, checksums), `bit ${bit}`).toBe(0);
        bytes[at] = (bytes[at] as number) ^ (1 << (bit & 7));
      }
      expect(verifyRecord(bytes, view, 0, 64, 5, checksums)).toBe(40);
    }
  });

  it('never decodes from arbitrary bytes, and never reads past the end', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        expect(verifyRecord(bytes, viewOf(bytes), 0, bytes.length, 1, checksums)).toBe(0);
      }),
    );
  });
});

describe('what a format cannot hold is a mistake of the program', () => {
  it.each([
    [-1, 1, /not a term: -1/],
    [2 ** 48, 1, /not a term/],
    [1.5, 1, /not a term/],
    [1, 256, /not a record kind: 256/],
    [1, -1, /not a record kind/],
    [1, 0.5, /not a record kind/],
  ])('term %d, kind %d', (recordTerm, kind, message) => {
    expect(() => checkRecordFields(recordTerm, kind)).toThrow(message);
    expect(() => checkRecordFields(2 ** 48 - 1, 255)).not.toThrow();
  });
});

describe('a batch header', () => {
  it('with any bit of it changed is none', () => {
    const bytes = new Uint8Array(BATCH_HEADER_BYTES);
    const view = viewOf(bytes);
    const nonce = { low: 5, high: 6 };
    const header = {
      kind: 'records',
      sequence: 9,
      durableSeq: 8,
      firstIndex: 41,
      count: 2,
      byteLength: 88,
      contentCrc: 7,
      previousChain: 3,
    } as const;
    const chain = encodeBatchHeader(bytes, view, 0, nonce, header, crc32c);
    for (let bit = 0; bit < 8 * BATCH_HEADER_BYTES; bit++) {
      const at = bit >> 3;
      bytes[at] = (bytes[at] as number) ^ (1 << (bit & 7));
      expect(decodeBatchHeader(bytes, view, 0, nonce, crc32c), `bit ${bit}`).toBeUndefined();
      bytes[at] = (bytes[at] as number) ^ (1 << (bit & 7));
    }
    expect(decodeBatchHeader(bytes, view, 0, nonce, crc32c)).toEqual({ ...header, chain });
  });
});

describe('a trailer', () => {
  it('without its magic, or with any bit of it changed, is none', () => {
    const block = new Uint8Array(BLOCK_BYTES);
    const nonce = { low: 0, high: 0 };
    stampTrailer(block, 3, crc32c);
    expect(decodeTrailer(block, nonce, crc32c)).toBeUndefined();
    viewOf(block).setUint32(0, TRAILER_MAGIC, true);
    stampTrailer(block, 3, crc32c);
    expect(decodeTrailer(block, nonce, crc32c)).toMatchObject({ finalChain: 3, recordCount: 0 });
    for (let bit = 0; bit < 8 * BLOCK_BYTES; bit += 5) {
      const at = bit >> 3;
      block[at] = (block[at] as number) ^ (1 << (bit & 7));
      expect(decodeTrailer(block, nonce, crc32c), `bit ${bit}`).toBeUndefined();
      block[at] = (block[at] as number) ^ (1 << (bit & 7));
    }
  });
});

describe('golden bytes', () => {
  it('segment header', () => {
    const block = new Uint8Array(BLOCK_BYTES);
    const header = {
      identity: IDENTITY,
      segmentId: 7,
      nonce: { low: 1, high: 2 },
      baseIndex: 41,
      termBefore: 3,
      firstSequence: 9,
      previousSegmentId: 6,
      previousChain: 0xcafebabe,
      createdMs: 1_735_689_600_000,
      truncates: true,
      restarts: false,
    };
    const crc = encodeSegmentHeader(block, header, crc32c);
    expect(toHex(block.subarray(0, 96))).toMatchSnapshot();
    expect(crc).toMatchSnapshot();
    expect(decodeSegmentHeader(block, crc32c)).toEqual({ header, crc });
    const version1 = block.slice();
    version1[4] = 1;
    const version1Crc = crc32c(version1.subarray(0, BLOCK_BYTES - 4));
    viewOf(version1).setUint32(BLOCK_BYTES - 4, version1Crc, true);
    expect(decodeSegmentHeader(version1, crc32c)).toEqual({ header, crc: version1Crc });
  });

  it('state slot', () => {
    const block = new Uint8Array(BLOCK_BYTES);
    const state = {
      hardState: { term: term(5), votedFor: 'nödé', commitIndex: logIndex(40) },
      firstIndex: 30,
      termBefore: 4,
      newest: { segmentId: 7, baseIndex: 2 ** 33 + 1 },
      durableIndex: 42,
    };
    encodeStateSlot(block, 12, state, 99, crc32c);
    expect(toHex(block.subarray(0, 64))).toMatchSnapshot();
    expect(decodeStateSlot(block, crc32c)).toEqual({
      formatVersion: 3,
      version: 12,
      state,
      tag: 99,
    });
  });
});

/** The bytes of the page's hex dump number `at`; what lies between its lines is zeros. */
async function dumpOfPage(at: number, sizeBytes: number): Promise<Uint8Array> {
  const page = await readFile(new URL('../../../docs/formats/wal.md', import.meta.url), 'utf8');
  const dump = [...page.matchAll(/```hex\n([\s\S]*?)```/g)][at]?.[1] ?? '';
  const bytes = new Uint8Array(sizeBytes);
  for (const line of dump.trim().split('\n')) {
    bytes.set(fromHex(line.slice(4).replace(/\s/g, '')), Number.parseInt(line, 16));
  }
  return bytes;
}

describe('docs/formats/wal.md', () => {
  it('has a state slot that the decoder reads as the page says', async () => {
    const block = await dumpOfPage(1, BLOCK_BYTES);
    expect(decodeStateSlot(block, crc32c)).toEqual({
      formatVersion: 3,
      version: 12,
      state: {
        hardState: { term: 5, votedFor: 'nödé', commitIndex: 40 },
        firstIndex: 30,
        termBefore: 4,
        newest: { segmentId: 7, baseIndex: 21 },
        durableIndex: 44,
      },
      tag: 99,
    });
  });

  it('has an example that the decoder reads as the page says', async () => {
    const bytes = await dumpOfPage(0, 152);
    const view = viewOf(bytes);
    const nonce = { low: 0x44332211, high: 0x88776655 };
    const header = decodeBatchHeader(bytes, view, 0, nonce, crc32c);
    if (header === undefined) throw new Error('the batch header is not whole');
    expect(header).toMatchObject({
      kind: 'records',
      sequence: 9,
      durableSeq: 8,
      firstIndex: 41,
      count: 2,
      byteLength: 88,
      previousChain: 0xcafebabe,
    });
    expect(contentIsWhole(bytes, view, header, checksums, new BatchSum(crc32c))).toBe(true);
    const first = decodeRecord(bytes, view, BATCH_HEADER_BYTES, bytes.length, crc32c);
    expect(first).toMatchObject({ index: 41, term: 3, kind: 7, bodyLength: 0 });
    expect(fromUtf8(first?.head ?? new Uint8Array())).toBe('hello');
    const at = BATCH_HEADER_BYTES + (first?.sizeBytes ?? 0);
    const second = decodeRecord(bytes, view, at, bytes.length, crc32c);
    expect(second).toMatchObject({ index: 42, term: 3, kind: 8, bodyLength: 10 });
    const bodyAt = second?.bodyAt ?? 0;
    expect(fromUtf8(bytes.subarray(bodyAt, bodyAt + 10))).toBe('body bytes');
  });
});
