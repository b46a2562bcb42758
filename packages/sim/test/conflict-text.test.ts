import { expect, test } from 'vitest';
import {
  checkLinearizable,
  checkVersionedRegisters,
  HistoryRecorder,
  type RegisterCall,
  type RegisterResult,
  registerModel,
} from '../src/history/index.ts';
import { historyOf } from './history-text.ts';

const STALE_READ = `
  a 1-2 put v1 if absent -> written
  b 3-4 get -> v1
  a 5-6 put v2 if v1 -> written
  b 7-8 get -> v2
  c 9- put v3 if v2 -> ?
  a 10-11 get -> v2
  b 12-13 get -> v1
  a 14-15 get -> v2`;

function textOf(check: 'search' | 'chain', text: string): string {
  const history = historyOf(text);
  const verdict =
    check === 'search'
      ? checkLinearizable(registerModel, history)
      : checkVersionedRegisters(history);
  if (verdict.kind !== 'violation') throw new Error(verdict.kind);
  return verdict.conflicts.map((conflict) => conflict.text).join('\n');
}

test('a conflict is shown as the fewest operations, on a line of time', () => {
  expect(textOf('search', STALE_READ)).toMatchInlineSnapshot(`
    "key "k" is not linearizable:
      a  get -> v2  |--|
      b  get -> v1        |--|  <- no order explains it
      at its begin the key may have held anything that was ever written until then
      1 more at the time may or may not have happened, and explain nothing"
  `);
});

test('the check of version chains names the rule', () => {
  expect(textOf('chain', STALE_READ)).toMatchInlineSnapshot(`
    "key "k" is not linearizable:
      a  put v2 if v1 -> written  |--|
      b  get -> v1                      |--|  <- no order explains it
      versions were seen out of their order"
  `);
  const lostUpdate = `
    a 1-2 put v1 if absent -> written
    a 3-6 put v2 if v1 -> written
    b 4-5 put v3 if v1 -> written`;
  expect(textOf('chain', lostUpdate)).toMatchInlineSnapshot(`
    "key "k" is not linearizable:
      a  put v2 if v1 -> written  |--------|  <- no order explains it
      b  put v3 if v1 -> written     |--|
      two writes replaced the same version"
  `);
});

test('two winners are both shown', () => {
  const winners = `
    a 1-4 put v1 if absent -> written
    b 2-3 put v2 if absent -> written
    c 5-6 get -> v1`;
  expect(textOf('search', winners)).toMatchInlineSnapshot(`
    "key "k" is not linearizable:
      a  put v1 if absent -> written  |--------|  <- no order explains it
      b  put v2 if absent -> written     |--|"
  `);
});

test('the recorder writes down what is under way, answered, lost and withdrawn', () => {
  const recorder = new HistoryRecorder<RegisterCall, RegisterResult>();
  const first = recorder.begin('a', 'k', { kind: 'put', value: 'v1' });
  const second = recorder.begin('b', 'k', { kind: 'get' });
  first.answered({ kind: 'written' });
  second.unknown();
  recorder.begin('c', 'k', { kind: 'get' }).withdrawn();
  recorder.begin('d', 'k', { kind: 'get' });
  expect(
    recorder.history().map(({ client, invokedAt, returnedAt }) => [client, invokedAt, returnedAt]),
  ).toEqual([
    ['a', 1, 3],
    ['b', 2, Infinity],
    ['d', 5, Infinity],
  ]);
  expect(() => first.unknown()).toThrow('an operation ends once');
});
