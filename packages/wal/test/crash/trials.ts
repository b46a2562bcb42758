/** Crashes of a log, for `npm run mutants`: each resolves with what one has lost, or undefined where none has. */
import { parseNeglect, QUICK, reportCrashSearch, sampled } from '@holdfast/env/memory';
import { readRotten } from '../fixtures/rotten-log.ts';
import { logScenarios } from './log-scenarios.ts';
import { randomLog } from './random-log.ts';

type Trial = (...words: string[]) => Promise<string | undefined>;

export const trials: Readonly<Record<string, Trial>> = {
  /** Every crash of a scenario, without further ones of its recovery. */
  crash: async (name = '', neglect = '') => {
    const scenario = logScenarios[name];
    if (scenario === undefined) throw new Error(`there is no scenario ${name}`);
    const { crash = {} } = QUICK;
    return (
      await reportCrashSearch(scenario(neglect === '' ? undefined : parseNeglect(neglect)), {
        crash,
      })
    ).violation;
  },
  /** Crashes by chance of scripts by chance, of so many seeds. */
  random: (first = '', count = '1', neglect = '') =>
    eachSeed(first, count, async (seed) => {
      const subject = randomLog(seed, neglect === '' ? undefined : parseNeglect(neglect));
      return (await reportCrashSearch(subject, sampled(seed))).violation;
    }),
  /** One bit that flips in a log by chance, open or closed, of so many seeds. */
  rot: (first = '', count = '1') => eachSeed(first, count, readRotten),
};

async function eachSeed(
  first: string,
  count: string,
  run: (seed: number) => Promise<string | undefined>,
): Promise<string | undefined> {
  for (let seed = Number(first); seed < Number(first) + Number(count); seed++) {
    const violation = await run(seed).catch(String);
    if (violation !== undefined) return `${violation} (seed ${seed})`;
  }
  return undefined;
}
