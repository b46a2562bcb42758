/** Crashes of a log, for `npm run mutants`: each resolves with what one has lost, or undefined where none has. */
import { parseNeglect, QUICK, reportCrashSearch, sampled } from '@holdfast/env/memory';
import { readRotten } from '../fixtures/rotten-log.ts';
import { logScenarios, randomLog } from './log-scenarios.ts';

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
  random: async (first = '', count = '1', neglect = '') => {
    for (let seed = Number(first); seed < Number(first) + Number(count); seed++) {
      const subject = randomLog(seed, neglect === '' ? undefined : parseNeglect(neglect));
      const { violation } = await reportCrashSearch(subject, sampled(seed));
      if (violation !== undefined) return `${violation} (seed ${seed})`;
    }
    return undefined;
  },
  /** One bit that flips in a log by chance, open or closed, of so many seeds. */
  rot: async (first = '', count = '1') => {
    for (let seed = Number(first); seed < Number(first) + Number(count); seed++) {
      const violation = await readRotten(seed);
      if (violation !== undefined) return `${violation} (seed ${seed})`;
    }
    return undefined;
  },
};
