/** Crashes of a store, and damage of its folder, for `npm run mutants`: each resolves with what one has lost, or undefined where none has. */
import {
  parseNeglect,
  QUICK,
  reportCrashSearch,
  SeededRandom,
  sampled,
} from '@holdfast/env/memory';
import type { LocalStore } from '../../src/index.ts';
import {
  bitFlips,
  coarseRot,
  deletions,
  type Rot,
  rotAll,
  rottenFolder,
} from '../fixtures/bit-rot.ts';
import type { Run } from '../fixtures/crash-enumeration.ts';
import { runFullForMoments } from '../fixtures/full-for-moments.ts';
import { failEverywhere, killEverywhere } from '../fixtures/killed.ts';
import { runBesideTwin } from '../fixtures/run-beside.ts';
import { Script } from './script.ts';
import { randomly, randomStore, type StoreScenario, storeScenarios } from './store-scenarios.ts';

type Trial = (...words: string[]) => Promise<string | undefined>;

export const trials: Readonly<Record<string, Trial>> = {
  /** Every crash of a scenario, without further ones of its recovery. */
  crash: async (name = '', neglect = '') => {
    const { subject, options } = scenarioOf(name);
    const { crash = {} } = QUICK;
    const broken = subject(neglect === '' ? undefined : parseNeglect(neglect));
    return (await reportCrashSearch(broken, { crash, ...options })).violation;
  },
};

type SeededTrial = (seed: number, ...words: string[]) => Promise<string | undefined>;

export const seededTrials: Readonly<Record<string, SeededTrial>> = {
  /** Crashes by chance of a script by chance. */
  random: async (seed, neglect = '') => {
    const subject = randomStore(seed, neglect === '' ? undefined : parseNeglect(neglect));
    return (await reportCrashSearch(subject, sampled(seed))).violation;
  },
  /** Crashes by chance of one scenario. */
  sampled: async (seed, name = '', neglect = '') => {
    const { subject, options } = scenarioOf(name);
    const broken = subject(neglect === '' ? undefined : parseNeglect(neglect));
    return (await reportCrashSearch(broken, { ...options, ...sampled(seed) })).violation;
  },
  /** A store beside its twin in memory. */
  model: (seed) => runBesideTwin(seed).then(() => undefined),
  /** A volume that is full for moments, by chance, while records are looked at before they are durable. */
  full: (seed) => runFullForMoments(seed).then(() => undefined),
  /** A process that is killed at every operation of a script by chance. */
  killed: (seed) => killEverywhere(randomly(seed)).then(() => undefined),
  /** A disk that fails once at every write and sync of a script by chance, with direct writes or `cached`. */
  failed: (seed, writes = '') =>
    failEverywhere(randomly(seed), { direct: writes !== 'cached' }).then(() => undefined),
  /** A folder that is filled by chance, damaged by chance in one place after the other; or only in files whose path ends so. */
  rot: (seed, suffix = '') => rotByChance(seed, suffix).then(() => undefined),
};

const ROTS_OF_FOLDER = 24;

async function rotByChance(seed: number, suffix: string): Promise<void> {
  const random = new SeededRandom(seed);
  const fill = (run: Run) => (store: LocalStore) => run(store, new Script(store));
  const whole = await rottenFolder({
    // Segments of one record each, or one of all.
    segmentSizeBytes: [20 * 1024, 512 * 1024][random.below(2)] as number,
    before: fill(randomly(seed)),
    after: fill(randomly(seed + 1, random.below(6))),
  });
  const folder = { ...whole, files: whole.files.filter(({ path }) => path.endsWith(suffix)) };
  if (folder.files.length === 0) return;
  const flips = bitFlips(folder);
  const ways = [[...coarseRot(folder)], deletions(folder)];
  const rots = Array.from({ length: ROTS_OF_FOLDER }, (): Rot => {
    const way = ways[random.below(3)];
    return way?.[random.below(way.length)] ?? flips.at(random.below(flips.count));
  });
  await rotAll(folder, rots);
}

function scenarioOf(name: string): StoreScenario {
  const scenario = storeScenarios[name];
  if (scenario === undefined) throw new Error(`there is no scenario ${name}`);
  return scenario;
}
