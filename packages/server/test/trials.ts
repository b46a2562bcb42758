/** Simulations of whole clusters, and rotations of their master keys, for `npm run mutants`: resolves with what was violated, or undefined where nothing was. */
import { rotateAtRandom } from './keys/random-rotation.ts';
import { simulate } from './simulation/simulate.ts';
import { turn } from './simulation/turn.ts';

type SeededTrial = (seed: number, ...words: string[]) => Promise<string | undefined>;

export const seededTrials: Readonly<Record<string, SeededTrial>> = {
  simulation: async (seed, seconds = '12') => {
    const plan = { seed, safetyMs: Number(seconds) * 1000 };
    return (await simulate(plan, { drain: turn })).violations[0];
  },
  keys: rotateAtRandom,
};
