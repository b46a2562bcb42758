import { SeededRandom } from '@holdfast/env/memory';
import { expect, test } from 'vitest';
import type { Rot, RottenFolder } from './fixtures/bit-rot.ts';
import { bitFlips, coarseRot, rotAll, rottenFolder } from './fixtures/bit-rot.ts';

// `npm run prove -- bit-rot` flips every bit. Here a sample, the same in each run of one commit.
const SEED = 20_261_121;
const FLIPS = 20_000;
const TIMEOUT_MS = 300_000;

test('every sector zeroed or garbled, every file deleted or cut, every two exchanged: healed or refused, never a wrong byte', {
  timeout: TIMEOUT_MS,
}, async () => {
  const folder = await rottenFolder();
  const counts = await rotAll(folder, coarseRot(folder));
  console.info(`checked ${JSON.stringify(counts)}`);
  expect(counts.start).toBeGreaterThan(100);
  expect(counts.healed).toBeGreaterThan(10);
  expect(counts.read).toBeGreaterThan(5);
});

test('any flipped bit is harmless, healed, or refused with file and offset, and no acknowledged write is lost in silence', {
  timeout: TIMEOUT_MS,
}, async () => {
  const folder = await rottenFolder();
  const counts = await rotAll(folder, sampleOf(folder));
  console.info(`seed ${SEED}: checked ${JSON.stringify(counts)}`);
  expect(counts.start).toBeGreaterThan(FLIPS / 20);
  expect(counts.healed).toBeGreaterThan(5);
});

function* sampleOf(folder: RottenFolder): Generator<Rot> {
  const random = new SeededRandom(SEED);
  const flips = bitFlips(folder);
  for (let left = FLIPS; left > 0; left--) yield flips.at(random.below(flips.count));
}
