import { expect, test } from 'vitest';
import { FOLD_DISTANCES, FOLD_REACH_BYTES } from '../src/node/crc64-fold-module.ts';
import { Crc64Folder, FOLDED_FROM_BYTES } from '../src/node/crc64-folder.ts';
import { Crc64Adder, Crc64Nvme } from '../src/node/crc64nvme.ts';

const POLYNOMIAL = 0x9a6c9329ac4bc9b5n;
/** The lowest coefficient is the highest bit. */
const ONE = 1n << 63n;

function message(length: number, first: number): Uint8Array {
  let word = first;
  return Uint8Array.from({ length }, () => {
    word = (Math.imul(word, 1_664_525) + 1_013_904_223) >>> 0;
    return word >>> 24;
  });
}

/** By tables alone: no piece is long enough to be folded. */
function digestByTables(bytes: Uint8Array, adder: Crc64Adder): Uint8Array {
  const crc = new Crc64Nvme(adder);
  for (let at = 0; at < bytes.length; at += 1000) crc.update(bytes.subarray(at, at + 1000));
  return crc.digest();
}

function digest(adder: Crc64Adder, ...parts: readonly Uint8Array[]): Uint8Array {
  const crc = new Crc64Nvme(adder);
  for (const part of parts) crc.update(part);
  return crc.digest();
}

test('what a byte adds to CRC-64/NVME, bytes at the distances behind it add as well', () => {
  let power = ONE;
  const powers = [power];
  while (powers.length <= FOLD_REACH_BYTES) {
    for (let bit = 0; bit < 8; bit++) power = power & 1n ? (power >> 1n) ^ POLYNOMIAL : power >> 1n;
    powers.push(power);
  }
  expect(Math.max(...FOLD_DISTANCES)).toBe(FOLD_REACH_BYTES);
  const sum = FOLD_DISTANCES.reduce(
    (before, distance) => before ^ (powers[FOLD_REACH_BYTES - distance] ?? 0n),
    0n,
  );
  expect(sum).toBe(powers[FOLD_REACH_BYTES]);
});

test('a long message is folded, and its sum is that of its bytes one by one, wherever its pieces end', () => {
  const folder = Crc64Folder.load();
  if (folder === undefined) throw new Error('this machine has no vector instructions');
  expect(folder.shortened(message(300_000, 1), -1, -1).length).toBeLessThan(FOLDED_FROM_BYTES / 3);
  const adder = new Crc64Adder();
  // The longest last piece is 125,904 bytes; one more piece before it has 65,536.
  for (const length of [FOLDED_FROM_BYTES, 125_904, 125_904 + 65_536, 1 << 20]) {
    for (let more = -2; more <= 18; more++) {
      const bytes = message(length + more, length + more);
      expect(digest(adder, bytes)).toEqual(digestByTables(bytes, adder));
    }
  }
});

test('a message that is folded goes on from what came before it, and what follows goes on from it', () => {
  const adder = new Crc64Adder();
  const bytes = message(400_003, 7);
  const expected = digestByTables(bytes, adder);
  for (const [first, second] of [
    [5, 200_000],
    [100_001, 100_009],
    [16_385, 400_000],
    [200_000, 200_001],
  ] as const) {
    const parts = [
      bytes.subarray(0, first),
      bytes.subarray(first, second),
      bytes.subarray(second),
    ] as const;
    expect(digest(adder, ...parts)).toEqual(expected);
  }
});
