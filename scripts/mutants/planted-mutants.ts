/** Mutants that the runner must not take for killed or found out: each proves, in every run, that it can fail. */
import type { Verdict } from './judge.ts';
import type { Mutant } from './mutant.ts';

const harmless = {
  file: 'packages/objects/src/conditions.ts',
  from: "return wanted === '*' ||",
  to: "return '*' === wanted ||",
};
const story = { module: 'packages/raft/test/trials.ts', words: ['story', 'sticky-vote'] };
const test = {
  test: 'packages/objects/test/races.test.ts',
  name: 'more writers of one key than may wait are refused',
};
const rule = 'The runner sees what is not killed.';

export const plantedMutants: readonly {
  readonly mutant: Mutant;
  readonly expected: Verdict['kind'];
}[] = [
  planted('a change that changes nothing, before a story', 'survived', {
    broken: harmless,
    pinned: story,
  }),
  planted('a change that changes nothing, before a test', 'survived', {
    broken: harmless,
    pinned: test,
  }),
  planted('an edit that does not apply', 'refused', {
    broken: { ...harmless, from: 'what stands nowhere' },
    pinned: story,
  }),
  planted('source that does not run', 'refused', {
    broken: {
      file: 'packages/raft/src/step.ts',
      from: 'import { invariant }',
      to: 'impart { invariant }',
    },
    pinned: story,
  }),
  planted('source that runs until it comes to a name that is nowhere', 'refused', {
    broken: { ...harmless, to: "return nameOfNothing === '*' ||" },
    pinned: {
      test: 'packages/objects/test/conditions.test.ts',
      name: 'a write judges its conditions on the object that it would replace',
    },
  }),
  planted('a trial that finds something without the mutant', 'refused', {
    broken: harmless,
    pinned: {
      module: 'packages/wal/test/crash/trials.ts',
      words: ['crash', 'everything', '{"duty":"syncDirectory","path":"/wal$"}'],
    },
  }),
  planted('a test that is not there', 'refused', {
    broken: harmless,
    pinned: { ...test, name: 'no such test' },
  }),
];

/** Hunted beside those by fresh seeds: no seed may find it out. */
export const plantedForHunts: Mutant = {
  name: 'a change that changes nothing, before seeds that nobody has chosen',
  rule,
  broken: harmless,
  pinned: story,
  hunts: [
    { module: 'packages/raft/test/trials.ts', trial: 'storm', seeds: 20 },
    { module: 'packages/wal/test/crash/trials.ts', trial: 'rot', seeds: 100 },
    { module: 'packages/objects/test/trials.ts', trial: 'random', seeds: 30 },
  ],
};

function planted(
  name: string,
  expected: Verdict['kind'],
  { broken, pinned }: Pick<Mutant, 'broken' | 'pinned'>,
): { readonly mutant: Mutant; readonly expected: Verdict['kind'] } {
  return { mutant: { name, rule, broken, pinned, hunts: [] }, expected };
}
