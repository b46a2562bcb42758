/** Single runs of nodes, for `npm run mutants`: each resolves with what is wrong with it, or undefined where nothing is. */
import { complaintOf, runFaults, SHORT_LOG } from './fixtures/fault-run.ts';
import { livePersistQueue } from './fixtures/persist-life.ts';
import { stories } from './fixtures/stories.ts';

type Trial = (...words: string[]) => Promise<string | undefined>;

export const trials: Readonly<Record<string, Trial>> = {
  story: async (name = '') => await storyOf(name)().then(() => undefined, String),
};

type SeededTrial = (seed: number, ...words: string[]) => Promise<string | undefined>;

export const seededTrials: Readonly<Record<string, SeededTrial>> = {
  /** A story of another cluster. */
  told: (seed, name = '') => storyOf(name)(seed).then(() => undefined),
  /** Three nodes with faults. */
  faults: async (seed) => complaintOf(await runFaults({ seed })),
  /** The same with so little log that states are sent. */
  'short log': async (seed) =>
    complaintOf(await runFaults({ seed, rounds: 12, cluster: { settings: SHORT_LOG } })),
  /** The queue before a log that has no room now and then. */
  persist: async (seed) => (await livePersistQueue(seed))[0],
};

function storyOf(name: string): (seed?: number) => Promise<void> {
  const story = (stories as Readonly<Record<string, (seed?: number) => Promise<void>>>)[name];
  if (story === undefined) throw new Error(`there is no story ${name}`);
  return story;
}
