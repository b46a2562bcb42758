/** Decides of each mutant whether it is found out: its pinned trial must find nothing without it, and something with it. */
import { availableParallelism } from 'node:os';
import { isDeepStrictEqual } from 'node:util';
import type { Mutant, Trial } from './mutant.ts';
import { type Finding, runTests, runTrial } from './run-trial.ts';

/** Of a pinned trial, on a machine that does other things as well. */
export const PINNED_LIMIT_MS = 600_000;
export const LANES: number = Math.min(2, availableParallelism());

export type Verdict =
  | { readonly kind: 'killed'; readonly by: string }
  | { readonly kind: 'survived' }
  /** The trial finds something, or cannot look, without the mutant; or the edit does not apply; or it does not run. */
  | { readonly kind: 'refused'; readonly why: string };

/** Calls `told` with each verdict as it is known. */
export async function judge(
  mutants: readonly Mutant[],
  told: (mutant: Mutant, verdict: Verdict) => void,
): Promise<void> {
  const controls = await runControls(mutants.map(({ pinned }) => pinned));
  await inLanes(mutants, async (mutant) => told(mutant, await judgeOne(mutant, controls)));
}

async function judgeOne(
  { pinned, broken }: Mutant,
  controls: readonly (readonly [Trial, Finding])[],
): Promise<Verdict> {
  const control = controls.find(([trial]) => isDeepStrictEqual(trial, pinned))?.[1];
  if (control?.kind !== 'nothing') {
    const why = control?.kind === 'found' ? control.what : control?.why;
    return { kind: 'refused', why: `without the mutant: ${why}` };
  }
  const finding = await runTrial(pinned, broken, PINNED_LIMIT_MS);
  if (finding.kind === 'found') return { kind: 'killed', by: finding.what };
  return finding.kind === 'nothing' ? { kind: 'survived' } : { kind: 'refused', why: finding.why };
}

/** All trials as they are, each once; tests in one process. */
async function runControls(trials: readonly Trial[]): Promise<(readonly [Trial, Finding])[]> {
  const distinct: Trial[] = [];
  for (const trial of trials) {
    if (!distinct.some((known) => isDeepStrictEqual(known, trial))) distinct.push(trial);
  }
  const tests = distinct.filter((trial) => 'test' in trial);
  const runs = distinct.filter((trial) => !('test' in trial));
  const controls: (readonly [Trial, Finding])[] = [];
  const testing = async (): Promise<void> => {
    const findings = tests.length === 0 ? [] : await runTests(tests, undefined, PINNED_LIMIT_MS);
    for (const [at, finding] of findings.entries()) controls.push([tests[at] as Trial, finding]);
  };
  const running = runs.map((run) => async (): Promise<void> => {
    controls.push([run, await runTrial(run, undefined, PINNED_LIMIT_MS)]);
  });
  await inLanes([testing, ...running], (work) => work());
  return controls;
}

/** Does the work for each, a few at a time, in order. */
export async function inLanes<Item>(
  items: readonly Item[],
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const waiting = [...items];
  const lane = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await work(next);
  };
  await Promise.all(Array.from({ length: LANES }, lane));
}
