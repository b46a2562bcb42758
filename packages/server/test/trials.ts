/** Simulations of whole clusters, and rotations of their master keys, for `npm run mutants`: resolves with what was violated, or undefined where nothing was. */
import { rotateAtRandom } from './keys/random-rotation.ts';
import { simulate } from './simulation/simulate.ts';
import { turn } from './simulation/turn.ts';

export const trials: Readonly<Record<string, (...words: string[]) => Promise<string | undefined>>> =
  {
    simulation: async (first = '', count = '1', seconds = '12') => {
      for (let seed = Number(first); seed < Number(first) + Number(count); seed++) {
        const plan = { seed, safetyMs: Number(seconds) * 1000 };
        const [violation] = (await simulate(plan, { drain: turn })).violations;
        if (violation !== undefined) return `${violation} (seed ${seed})`;
      }
      return undefined;
    },
    keys: async (first = '', count = '1') => {
      for (let seed = Number(first); seed < Number(first) + Number(count); seed++) {
        const violation = await rotateAtRandom(seed);
        if (violation !== undefined) return `${violation} (seed ${seed})`;
      }
      return undefined;
    },
  };
