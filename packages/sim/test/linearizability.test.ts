import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { RegisterOperation } from '../src/history/index.ts';
import { checkLinearizable, checkVersionedRegisters, registerModel } from '../src/history/index.ts';
import { isLinearizableByDefinition } from './brute-force.ts';
import { otherAnswer, rightHistory, seededDice, smallHistories } from './random-histories.ts';

const RUNS = 4000;
const VERSIONED = { clients: 8, operations: 20_000, lostPercent: 0, isVersioned: true };

function kindOf(history: readonly RegisterOperation[]): string {
  return checkLinearizable(registerModel, history).kind;
}

describe('beside the definition', () => {
  test('the search says of small histories what every order of them says', () => {
    const kinds = { linearizable: 0, violation: 0 };
    fc.assert(
      fc.property(smallHistories(false), (history) => {
        const kind = isLinearizableByDefinition(registerModel, history)
          ? 'linearizable'
          : 'violation';
        kinds[kind] += 1;
        expect(kindOf(history)).toBe(kind);
      }),
      { numRuns: RUNS },
    );
    // Neither kind may be rare, or the property says little.
    expect(Math.min(kinds.linearizable, kinds.violation)).toBeGreaterThan(RUNS / 10);
  });

  test('the check of version chains says the same', () => {
    const kinds = { linearizable: 0, violation: 0, undecided: 0 };
    fc.assert(
      fc.property(smallHistories(true), (history) => {
        const { kind } = checkVersionedRegisters(history);
        kinds[kind] += 1;
        if (kind === 'undecided') return;
        const isRight = isLinearizableByDefinition(registerModel, history);
        expect(kind).toBe(isRight ? 'linearizable' : 'violation');
      }),
      { numRuns: RUNS },
    );
    expect(Math.min(kinds.linearizable, kinds.violation)).toBeGreaterThan(RUNS / 10);
    expect(kinds.undecided).toBeLessThan(RUNS / 10);
  });

  test('what is shown of a conflict is wrong by the definition, whatever else happened before', () => {
    fc.assert(
      fc.property(smallHistories(false), (history) => {
        const verdict = checkLinearizable(registerModel, history);
        if (verdict.kind !== 'violation') return;
        for (const { operations, culprit } of verdict.conflicts) {
          expect(operations).toContain(culprit);
          const begin = operations[0]?.invokedAt ?? 0;
          // What was answered and changed nothing, a refused put too, is left out and not unanswered.
          const others = history.filter(
            (one) => !operations.includes(one) && !registerModel.isRead(one.call, one.result),
          );
          const unanswered = others.map((one) => ({
            ...one,
            result: undefined,
            returnedAt: Infinity,
          }));
          const window = [...operations, ...unanswered.filter((one) => one.invokedAt >= begin)];
          expect(isLinearizableByDefinition(registerModel, window)).toBe(false);
        }
      }),
      { numRuns: RUNS / 4, examples: [[ALL_REFUSED]] },
    );
  });
});

/** Three puts if absent, and nobody's was taken: only because the others were refused is the culprit wrong. */
const ALL_REFUSED: readonly RegisterOperation[] = [1, 2, 3].map((at) => ({
  client: `c${at}`,
  key: 'k',
  call: { kind: 'put', value: `v${at}`, ifAbsent: true },
  invokedAt: at,
  returnedAt: 10 - at,
  result: { kind: 'refused' },
}));

describe('long histories', () => {
  test('a right one is found right by both checks', () => {
    const history = rightHistory(VERSIONED, seededDice(1));
    expect(kindOf(history)).toBe('linearizable');
    expect(checkVersionedRegisters(history).kind).toBe('linearizable');
  });

  test('one exchanged answer in five thousand is found by both, and shown with few others', () => {
    const dice = seededDice(2);
    const right = rightHistory({ ...VERSIONED, operations: 5000 }, dice);
    let wrong = 0;
    for (let round = 0; round < 10; round++) {
      const at = dice(right.length);
      const one = right[at] as RegisterOperation;
      const changed = right.with(at, { ...one, result: otherAnswer(one.call, right, dice) });
      const verdict = checkLinearizable(registerModel, changed);
      expect(checkVersionedRegisters(changed).kind).toBe(verdict.kind);
      if (verdict.kind !== 'violation') continue;
      wrong += 1;
      expect(verdict.conflicts[0]?.operations.length).toBeLessThanOrEqual(4);
    }
    expect(wrong).toBeGreaterThan(2);
  });

  test('many lost answers do not make a right history undecided', () => {
    const shape = { clients: 8, operations: 1000, lostPercent: 10, isVersioned: false };
    for (let seed = 1; seed <= 4; seed++) {
      expect(kindOf(rightHistory(shape, seededDice(seed))), `seed ${seed}`).toBe('linearizable');
    }
  });
});

describe('limits', () => {
  /** Writes of unknown outcome, and a read that only all their orders together rule out. */
  const hard: RegisterOperation[] = Array.from({ length: 24 }, (_, at) => ({
    client: `c${at}`,
    key: 'k',
    call: { kind: 'put', value: `v${at}`, ifMatch: `v${(at * 7) % 24}` },
    result: undefined,
    invokedAt: 10 + at,
    returnedAt: Infinity,
  }));
  const start: RegisterOperation = {
    client: 'a',
    key: 'k',
    call: { kind: 'put', value: 'v1' },
    result: { kind: 'written' },
    invokedAt: 1,
    returnedAt: 2,
  };
  const read: RegisterOperation = {
    client: 'z',
    key: 'k',
    call: { kind: 'get' },
    result: { kind: 'found', value: 'never' },
    invokedAt: 100,
    returnedAt: 101,
  };
  const history = [start, ...hard, read];

  test.each([
    ['steps', { maxSteps: 10 }],
    ['memory', { maxMemoryBytes: 100 }],
    ['time', { isExpired: () => true }],
  ])('a search that needs more %s is undecided', (_, limits) => {
    const verdict = checkLinearizable(registerModel, history, limits);
    expect(verdict).toMatchObject({ kind: 'undecided', keys: ['k'] });
  });

  test('the same search with enough of them decides', () => {
    expect(kindOf(history)).toBe('violation');
  });
});
