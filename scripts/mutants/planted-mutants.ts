/** Mutants that the runner must not take for killed: each proves, in every run, that it can fail. */
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

function planted(
  name: string,
  expected: Verdict['kind'],
  { broken, pinned }: Pick<Mutant, 'broken' | 'pinned'>,
): { readonly mutant: Mutant; readonly expected: Verdict['kind'] } {
  return { mutant: { name, rule, broken, pinned, hunts: [] }, expected };
}
