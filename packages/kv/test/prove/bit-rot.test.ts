import { expect, test } from 'vitest';
import type { Rot, RottenFolder } from '../fixtures/bit-rot.ts';
import { bitFlips, rotAll, rottenFolder } from '../fixtures/bit-rot.ts';

const PIECE_BITS = 16_384;

test('every bit of a data folder, flipped', { timeout: 6 * 3_600_000 }, async () => {
  const folder = await rottenFolder();
  console.info(folder.files.map(({ path, sizeBytes }) => `${path} ${sizeBytes}`).join(', '));
  const { count } = bitFlips(folder);
  const total = new Map<string, number>();
  for (let from = 0; from < count; from += PIECE_BITS) {
    const to = Math.min(count, from + PIECE_BITS);
    for (const [kind, cases] of Object.entries(await rotAll(folder, flips(folder, from, to)))) {
      total.set(kind, (total.get(kind) ?? 0) + cases);
    }
    console.info(`${to} of ${count} bits: ${JSON.stringify(Object.fromEntries(total))}`);
  }
  expect(total.get('cases')).toBeGreaterThanOrEqual(524_288);
});

/** Bits [from, to). */
function* flips(folder: RottenFolder, from: number, to: number): Generator<Rot> {
  const all = bitFlips(folder);
  for (let bit = from; bit < to; bit++) yield all.at(bit);
}
