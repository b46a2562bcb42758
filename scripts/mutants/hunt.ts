/** Looks for mutants by seeds that nobody has chosen. */
import { randomInt } from 'node:crypto';
import { inLanes } from './judge.ts';
import type { Mutant } from './mutant.ts';
import { runTrial } from './run-trial.ts';

/** Of one run of a trial. */
const HUNT_LIMIT_MS = 900_000;
/** Leaves room for all seeds of a run, and for what a trial multiplies its seed with. */
const SEED_LIMIT = 1_000_000_000;

export interface HuntResult {
  readonly mutant: Mutant;
  /** The trial that found it out, as it can be run again; undefined where none did. */
  readonly by: string | undefined;
  readonly what: string;
  /** Trials with seeds that were begun for it. */
  readonly tried: number;
  readonly seconds: number;
}

/** Hunts each mutant with `times` as many seeds as its hunts say; calls `told` with each result as it is known. */
export async function hunt(
  mutants: readonly Mutant[],
  times: number,
  told: (result: HuntResult) => void,
): Promise<HuntResult[]> {
  const results: HuntResult[] = [];
  await inLanes(mutants, async (mutant) => {
    const result = await huntOne(mutant, times);
    results.push(result);
    told(result);
  });
  return mutants.flatMap((mutant) => results.filter((result) => result.mutant === mutant));
}

async function huntOne(mutant: Mutant, times: number): Promise<HuntResult> {
  const startMs = performance.now();
  const seconds = (): number => (performance.now() - startMs) / 1000;
  let what = 'no seed found it out';
  let tried = 0;
  for (const { module, trial, seeds, more = [] } of mutant.hunts) {
    const first = randomInt(SEED_LIMIT);
    const words = [trial, String(first), String(seeds * times), ...more];
    const finding = await runTrial({ module, words }, mutant.broken, HUNT_LIMIT_MS);
    tried++;
    if (finding.kind === 'unusable') what = finding.why;
    if (finding.kind !== 'found') continue;
    const by = `${trial} of ${module.split('/')[1]}${seedOf(finding.what, first)}`;
    return { mutant, by, what: finding.what, tried, seconds: seconds() };
  }
  return { mutant, by: undefined, what, tried, seconds: seconds() };
}

function seedOf(what: string, first: number): string {
  const found = /\(seed (\d+)\)\s*$/.exec(what)?.[1];
  return found === undefined
    ? `, seed ${first}`
    : `, seed ${found} (number ${Number(found) - first + 1})`;
}
