import { describe, expect, it } from 'vitest';
import { type Configuration, configurationOf, nodeId } from '../src/index.ts';
import { quorumValue, voteOutcome } from '../src/quorum.ts';

const ids = (names: string) => names.split('').map(nodeId);
const configuration = (voters: string, outgoing = ''): Configuration => ({
  ...configurationOf(ids(voters)),
  votersOutgoing: ids(outgoing),
});

describe('an index is reached when a majority has it', () => {
  const cases: readonly (readonly [string, string, string, number])[] = [
    ['a', '', 'a5', 5],
    ['a', '', '', 0],
    ['ab', '', 'a5 b3', 3],
    ['ab', '', 'a5', 0],
    ['abc', '', 'a5 b3 c1', 3],
    ['abc', '', 'a5 b5', 5],
    ['abc', '', 'a5', 0],
    ['abcd', '', 'a9 b7 c5 d3', 5],
    ['abcd', '', 'a9 b7 c5', 5],
    ['abcd', '', 'a9 b7', 0],
    ['abcde', '', 'a9 b7 c5 d3 e1', 5],
    ['abcde', '', 'a9 b9 c2', 2],
    ['abc', '', 'd9 a1 b1', 1],
    ['abc', 'abd', 'a5 b5', 5],
    ['abc', 'def', 'a5 b5 c5', 0],
    ['abc', 'def', 'a5 b5 d3 e3', 3],
    ['abc', 'def', 'd9 e9 f9', 0],
    ['a', 'abc', 'a7 b2', 2],
    ['ade', 'abc', 'a7 d4 b9', 4],
    ['ab', 'a', 'a7 b6', 6],
  ];
  it.each(cases)('voters %s & %s with %s: %i', (voters, outgoing, match, wanted) => {
    const reached = new Map(match.split(' ').map((m) => [m.charAt(0), Number(m.slice(1))]));
    expect(quorumValue(configuration(voters, outgoing), (id) => reached.get(id) ?? 0)).toBe(wanted);
  });
});

describe('an election is decided by a majority of each set', () => {
  const cases: readonly (readonly [string, string, string, string, string])[] = [
    ['a', '', 'a', '', 'won'],
    ['a', '', '', 'a', 'lost'],
    ['a', '', '', '', 'pending'],
    ['ab', '', 'a', '', 'pending'],
    ['ab', '', 'a', 'b', 'lost'],
    ['ab', '', 'ab', '', 'won'],
    ['abc', '', 'ab', '', 'won'],
    ['abc', '', 'ab', 'c', 'won'],
    ['abc', '', 'a', 'b', 'pending'],
    ['abc', '', 'a', 'bc', 'lost'],
    ['abc', '', 'adef', '', 'pending'],
    ['abcd', '', 'ab', '', 'pending'],
    ['abcd', '', 'ab', 'cd', 'lost'],
    ['abcde', '', 'abc', 'de', 'won'],
    ['abcde', '', 'ab', 'cd', 'pending'],
    ['abc', 'def', 'abc', '', 'pending'],
    ['abc', 'def', 'abcde', '', 'won'],
    ['abc', 'def', 'abc', 'de', 'lost'],
    ['abc', 'def', '', 'ab', 'lost'],
    ['abc', 'abd', 'ab', '', 'won'],
  ];
  it.each(cases)(
    'voters %s & %s, yes from "%s", no from "%s": %s',
    (voters, outgoing, yes, no, wanted) => {
      const granted = new Map([
        ...ids(yes).map((id) => [id, true] as const),
        ...ids(no).map((id) => [id, false] as const),
      ]);
      expect(voteOutcome(configuration(voters, outgoing), granted)).toBe(wanted);
    },
  );
});
