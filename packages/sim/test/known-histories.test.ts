import { describe, expect, test } from 'vitest';
import { checkLinearizable, checkVersionedRegisters, registerModel } from '../src/history/index.ts';
import { historyOf } from './history-text.ts';
import { rightHistories, wrongHistories } from './register-histories.ts';

describe('any history', () => {
  test.each(rightHistories)('right: $name', ({ text }) => {
    const verdict = checkLinearizable(registerModel, historyOf(text));
    expect(verdict.kind).toBe('linearizable');
  });

  test.each(wrongHistories)('wrong: $name', ({ text }) => {
    const verdict = checkLinearizable(registerModel, historyOf(text));
    expect(verdict.kind).toBe('violation');
  });
});

describe('version chains', () => {
  test.each(rightHistories.filter(({ versioned }) => versioned))('right: $name', ({ text }) => {
    expect(checkVersionedRegisters(historyOf(text)).kind).toBe('linearizable');
  });

  test.each(wrongHistories.filter(({ versioned }) => versioned))('wrong: $name', ({ text }) => {
    expect(checkVersionedRegisters(historyOf(text)).kind).toBe('violation');
  });

  test.each([...rightHistories, ...wrongHistories].filter(({ versioned }) => !versioned))(
    'not taken: $name',
    ({ text }) => {
      expect(checkVersionedRegisters(historyOf(text)).kind).toBe('undecided');
    },
  );
});

test('keys are judged apart, and every wrong one is named', () => {
  const [right, wrong] = [rightHistories[2]?.text ?? '', wrongHistories[0]?.text ?? ''];
  const history = ['one', 'two', 'three'].flatMap((key) =>
    historyOf(key === 'two' ? right : wrong, key),
  );
  for (const verdict of [
    checkLinearizable(registerModel, history),
    checkVersionedRegisters(history),
  ]) {
    expect(verdict.kind).toBe('violation');
    const keys = verdict.kind === 'violation' ? verdict.conflicts.map(({ key }) => key) : [];
    expect(keys).toEqual(['one', 'three']);
  }
});
