/** Runs by chance of the API, for `npm run mutants`: resolves with what is wrong, or undefined where nothing is. */
import { randomRun } from './random-run.ts';

export const trials: Readonly<Record<string, (...words: string[]) => Promise<string | undefined>>> =
  {
    random: async (first = '', count = '1') => {
      for (let seed = Number(first); seed < Number(first) + Number(count); seed++) {
        const complaint = await randomRun(seed).then(() => undefined, String);
        if (complaint !== undefined) return `${complaint} (seed ${seed})`;
      }
      return undefined;
    },
  };
