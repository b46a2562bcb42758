import { createMemoryEnv } from '@holdfast/env/memory';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { combineCrcs } from '../src/crc-combine.ts';
import { pattern } from './fixture.ts';

test.each(['crc32', 'crc32c', 'crc64nvme'] as const)(
  'the %s of pieces combined is that of the whole',
  async (algorithm) => {
    const { digests } = await createMemoryEnv();
    const crcOf = (bytes: Uint8Array): Uint8Array =>
      digests.compute([algorithm], bytes).get(algorithm) as Uint8Array;
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 70 }), { maxLength: 6 }), (pieces) => {
        const parts = pieces.map((bytes) => ({ crc: crcOf(bytes), sizeBytes: bytes.length }));
        expect(combineCrcs(algorithm, parts)).toEqual(crcOf(Buffer.concat(pieces)));
      }),
    );
    const long = [pattern(1_000_003, 1), pattern(65_536, 2), pattern(65_536, 3)];
    const parts = long.map((bytes) => ({ crc: crcOf(bytes), sizeBytes: bytes.length }));
    expect(combineCrcs(algorithm, parts)).toEqual(crcOf(Buffer.concat(long)));
  },
);

test('lengths beyond 32 bits are combined, as one piece or as many', async () => {
  // Safety: what 2^33 zero bytes do to a CRC is what two times 2^32 of them do.
  const crc = Uint8Array.of(1, 2, 3, 4);
  const zero = (sizeBytes: number) => ({ crc: new Uint8Array(4), sizeBytes });
  const first = { crc, sizeBytes: 1 };
  expect(combineCrcs('crc32', [first, zero(2 ** 33)])).toEqual(
    combineCrcs('crc32', [first, zero(2 ** 32), zero(2 ** 32)]),
  );
  expect(combineCrcs('crc32', [first, zero(2 ** 33)])).not.toEqual(
    combineCrcs('crc32', [first, zero(2 ** 32)]),
  );
});
