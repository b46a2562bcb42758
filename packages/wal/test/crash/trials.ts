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
};

type SeededTrial = (seed: number, ...words: string[]) => Promise<string | undefined>;

export const seededTrials: Readonly<Record<string, SeededTrial>> = {
  /** Crashes by chance of a script by chance. */
  random: async (seed, neglect = '') => {
    const subject = randomLog(seed, neglect === '' ? undefined : parseNeglect(neglect));
    return (await reportCrashSearch(subject, sampled(seed))).violation;
  },
  /** One damage of a log by chance. */
  rot: readRotten,
};
