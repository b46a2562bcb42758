import { describe, expect, it } from 'vitest';
import { seededRandom } from './fixtures/test-node.ts';
import { type Scope, Search } from './scope/search.ts';

/** Every state of these is looked at. `prove-scope.ts` does the larger ones. */
const scopes: readonly (readonly [string, Scope, number])[] = [
  [
    'one election, one proposal, one crash that may lose what was not synced',
    { candidates: [[0]], proposals: 1, crashes: 1 },
    400_000,
  ],
  [
    'a leader with a proposal, and another one that takes over',
    { candidates: [[0], [1]], proposals: 1, crashes: 0, startsElected: true },
    150_000,
  ],
  [
    'one election with pre-votes, one crash',
    { candidates: [[0]], proposals: 0, crashes: 1, preVote: true },
    5_000,
  ],
];

describe('in every state that three nodes can get into, no rule of the paper is broken', () => {
  it.each(scopes)('%s', (_, scope, atLeast) => {
    const result = new Search(scope).run(2_000_000);
    expect(result.violation).toBeUndefined();
    expect(result.isComplete).toBe(true);
    expect(result.states).toBeGreaterThan(atLeast);
  });

  it('nor on 300 random walks of 80 events through three terms, two proposals and two crashes', () => {
    const everybody = [0, 1, 2];
    const scope = { candidates: [everybody, everybody, everybody], proposals: 2, crashes: 2 };
    const result = new Search({ ...scope, heartbeats: true }).wander(300, 80, seededRandom(7));
    expect(result.violation).toBeUndefined();
    expect(result.states).toBeGreaterThan(5000);
  });
});
