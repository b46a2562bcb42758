import { loadCrc32c } from '@holdfast/env/node';
import { describe, expect, test } from 'vitest';
import type { IndexRecord } from '../src/index-record.ts';
import { StateHash } from '../src/state-hash.ts';

const { crc32c } = await loadCrc32c();
const VERSION = 2 ** 40 + 3;

function bytesOf(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => at * 7 + length);
}

function inline(length: number): IndexRecord {
  return { kind: 'inline', version: VERSION, value: bytesOf(length) };
}

/** The hash of one key with one record. */
function hashOf(keyLength: number, record: IndexRecord): string {
  const hash = new StateHash(crc32c);
  hash.change(bytesOf(keyLength), undefined, record);
  return hash.text;
}

describe('the hash of a state', () => {
  // Nodes of one cluster compare theirs, whatever version of Holdfast each of them is.
  for (const [keyLength, text] of [
    [1, '987d1be50bd4bdfd'],
    [240, 'd30cab08937d3263'],
    [241, '124d9038e35d58d3'],
    [1025, 'c8d21e0e048b8018'],
  ] as const) {
    test(`of a key of ${keyLength} bytes is what it always was`, () => {
      expect(hashOf(keyLength, inline(59))).toBe(text);
    });
  }

  test('takes a small value in by its length and CRC-32C, whatever its size', () => {
    for (const length of [0, 1, 16, 255, 256, 257, 1024]) {
      const extent = { segmentId: 1, offset: 4096, length, crc: crc32c(bytesOf(length)) };
      const alike: IndexRecord = { kind: 'extent', version: VERSION, extent };
      expect(hashOf(21, inline(length)), `${length} bytes`).toBe(hashOf(21, alike));
    }
  });

  test('is that of none once what was there is deleted', () => {
    const hash = new StateHash(crc32c);
    hash.change(bytesOf(21), undefined, inline(59));
    hash.change(bytesOf(300), undefined, inline(300));
    expect(hash.text).not.toBe(new StateHash(crc32c).text);
    hash.change(bytesOf(21), inline(59), { kind: 'tombstone', version: VERSION + 1 });
    hash.change(bytesOf(300), inline(300), undefined);
    expect(hash.text).toBe(new StateHash(crc32c).text);
  });
});
