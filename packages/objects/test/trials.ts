/** Runs by chance of the object store, for `npm run mutants`: fails where something is wrong. */
import { randomRun } from './random-run.ts';

export const seededTrials: Readonly<Record<string, (seed: number) => Promise<undefined>>> = {
  random: (seed) => randomRun(seed).then(() => undefined),
};
