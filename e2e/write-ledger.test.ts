import { expect, test } from 'vitest';
import { ABSENT, WriteLedger } from './harness/write-ledger.ts';

test('an acknowledged write is the only one allowed until another is begun', () => {
  const ledger = new WriteLedger();
  expect([...ledger.allowed('k')]).toEqual([ABSENT]);
  ledger.acknowledge(ledger.begin('k', 'one'));
  expect([...ledger.allowed('k')]).toEqual(['one']);
  ledger.begin('k', 'two');
  expect([...ledger.allowed('k')]).toEqual(['one', 'two']);
});

test('of two writes at once either may be the last, whichever was acknowledged first', () => {
  const ledger = new WriteLedger();
  const one = ledger.begin('k', 'one');
  const two = ledger.begin('k', 'two');
  ledger.acknowledge(two);
  ledger.acknowledge(one);
  expect([...ledger.allowed('k')].toSorted()).toEqual(['one', 'two']);
  ledger.acknowledge(ledger.begin('k', 'three'));
  expect([...ledger.allowed('k')]).toEqual(['three']);
});

test('what was seen after a crash stands', () => {
  const ledger = new WriteLedger();
  ledger.begin('k', 'one');
  ledger.settle('k', ABSENT);
  expect([...ledger.allowed('k')]).toEqual([ABSENT]);
});
