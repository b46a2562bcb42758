/** Single runs of nodes, for `npm run mutants`: each resolves with what is wrong with it, or undefined where nothing is. */
import { complaintOf, runFaults, SHORT_LOG } from './fixtures/fault-run.ts';
import { stories } from './fixtures/stories.ts';

type Trial = (...words: string[]) => Promise<string | undefined>;

export const trials: Readonly<Record<string, Trial>> = {
  story: async (name = '') => await storyOf(name)().then(() => undefined, String),
  /** The same story of clusters of so many seeds. */
  told: (first = '', count = '1', name = '') =>
    eachSeed(first, count, (seed) => storyOf(name)(seed).then(() => undefined, String)),
  /** Three nodes with faults, of so many seeds. */
  faults: (first = '', count = '1') =>
    eachSeed(first, count, async (seed) => complaintOf(await runFaults({ seed }))),
  /** The same with so little log that states are sent. */
  'short log': (first = '', count = '1') =>
    eachSeed(first, count, async (seed) =>
      complaintOf(await runFaults({ seed, rounds: 12, cluster: { settings: SHORT_LOG } })),
    ),
};

function storyOf(name: string): (seed?: number) => Promise<void> {
  const story = (stories as Readonly<Record<string, (seed?: number) => Promise<void>>>)[name];
  if (story === undefined) throw new Error(`there is no story ${name}`);
  return story;
}

async function eachSeed(
  first: string,
  count: string,
  run: (seed: number) => Promise<string | undefined>,
): Promise<string | undefined> {
  for (let seed = Number(first); seed < Number(first) + Number(count); seed++) {
    const complaint = await run(seed).catch(String);
    if (complaint !== undefined) return `${complaint} (seed ${seed})`;
  }
  return undefined;
}
