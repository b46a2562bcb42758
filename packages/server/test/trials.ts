/** Simulations of whole clusters, for `npm run mutants`: resolves with what was violated, or undefined where nothing was. */
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
  };
