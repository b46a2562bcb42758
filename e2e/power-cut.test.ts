import { expect, test } from 'vitest';
import type { Kept } from './harness/cut-volume.ts';
import { CutVolume } from './harness/cut-volume.ts';
import { ImageOpener } from './harness/image-opener.ts';
import type { CutResults } from './harness/power-cuts.ts';
import { runCutRound } from './harness/power-cuts.ts';
import { reportProof } from './harness/proof-report.ts';
import { runSeed, SeededDice } from './harness/seeded-dice.ts';
import { WriteLedger } from './harness/write-ledger.ts';

/** More of them, for a longer search: HOLDFAST_POWER_CUTS. */
const CUTS = Number(process.env['HOLDFAST_POWER_CUTS'] ?? 200);
/** Of one server; the next one goes on with what the last cut has left. */
const CUTS_OF_A_ROUND = 50;
const CUTS_OF_A_MUTANT = 10;
/** A second each on two cores that have nothing else to do. */
const LIMIT_MS = 15_000 * Math.max(CUTS, 40);
const VOLUME_MIB = 512;
const KINDS: readonly Kept[] = ['nothing', 'some', 'everything'];
const MUTANT = new URL('./harness/forgetful-syncs.ts', import.meta.url);

/** One try before the tests are listed, so that a machine that cannot do it says so. */
const probe = await CutVolume.make(16);
const missing = typeof probe === 'string' ? probe : undefined;
if (typeof probe !== 'string') await probe[Symbol.asyncDispose]();

test('the power of a volume can be cut on this machine', (context) => {
  if (missing !== undefined && process.env['CI'] === undefined) {
    context.skip(`${missing}: the power cuts cannot run`);
  }
  expect(missing, 'CI must run the power cuts').toBe(undefined);
});

test.skipIf(missing !== undefined)(
  `${CUTS} power cuts under load: each acknowledged object is there, whole, and none is half there`,
  async () => {
    const seed = runSeed();
    console.info(`seed ${seed}: repeat with HOLDFAST_SEED=${seed}`);
    const dice = new SeededDice(seed);
    const ledger = new WriteLedger();
    const results: CutResults = { cuts: 0, objects: 0, violations: [] };
    await using opener = new ImageOpener();
    await using other = new ImageOpener();
    const openers = [opener, other];
    let volume = await makeVolume();
    try {
      while (results.cuts < CUTS) {
        const cuts = Math.min(CUTS_OF_A_ROUND, CUTS - results.cuts);
        const kindOf = (cut: number): Kept => KINDS[cut % KINDS.length] ?? 'some';
        const image = await runCutRound({ volume, cuts, kindOf, dice, ledger, openers }, results);
        const next = await makeVolume(image);
        await volume[Symbol.asyncDispose]();
        volume = next;
      }
    } finally {
      await volume[Symbol.asyncDispose]();
    }
    const { cuts, objects, violations } = results;
    const acknowledged = ledger.acknowledged;
    reportProof({
      part: 'power cuts',
      counts: { cuts, acknowledged, objects, violations: violations.length },
    });
    expect(violations, `seed ${seed}`).toEqual([]);
    expect(acknowledged).toBeGreaterThan(cuts);
    // Reading finds out nothing where there is nothing to read.
    expect(objects).toBeGreaterThan(20 * cuts);
  },
  LIMIT_MS,
);

test.skipIf(missing !== undefined)(
  `a server that syncs nothing is found out by each of ${CUTS_OF_A_MUTANT} power cuts`,
  async () => {
    const dice = new SeededDice(runSeed());
    const ledger = new WriteLedger();
    const ready: CutResults = { cuts: 0, objects: 0, violations: [] };
    const kindOf = (): Kept => 'nothing';
    await using opener = new ImageOpener();
    const by = { kindOf, dice, ledger, openers: [opener] };
    await using whole = await makeVolume();
    // Its folder was made by one that syncs: what is lost is what the mutant has acknowledged.
    const image = await runCutRound({ ...by, volume: whole, cuts: 1 }, ready);
    expect(ready.violations).toEqual([]);
    const results: CutResults = { cuts: 0, objects: 0, violations: [] };
    await using volume = await makeVolume(image);
    const mutant = ['env', `NODE_OPTIONS=--import=${MUTANT.href}`];
    await runCutRound({ ...by, volume, cuts: CUTS_OF_A_MUTANT, mutant }, results);
    const { cuts, violations } = results;
    reportProof({
      part: 'power cuts of mutants',
      counts: { mutants: cuts, killed: violations.length },
    });
    expect(cuts).toBe(CUTS_OF_A_MUTANT);
    expect(violations).toHaveLength(CUTS_OF_A_MUTANT);
  },
  LIMIT_MS,
);

async function makeVolume(image?: string): Promise<CutVolume> {
  const volume = await CutVolume.make(VOLUME_MIB, image);
  if (typeof volume === 'string') throw new Error(volume);
  return volume;
}
