import { expect, test } from 'vitest';
import { RepeatedFaults } from '../src/repeated-faults.ts';

const NEWER = new Error('message of format 3');

test('the same fault of a peer is told once a minute, with how often it came meanwhile', () => {
  const faults = new RepeatedFaults();
  expect(faults.note('n1', NEWER, 5)).toBe(0);
  for (let nowMs = 105; nowMs < 60_005; nowMs += 100) {
    expect(faults.note('n1', NEWER, nowMs)).toBeUndefined();
  }
  expect(faults.note('n1', NEWER, 60_005)).toBe(599);
  expect(faults.note('n1', NEWER, 60_006)).toBeUndefined();
});

test('another fault, and that of another peer, is told at once', () => {
  const faults = new RepeatedFaults();
  expect(faults.note('n1', NEWER, 0)).toBe(0);
  expect(faults.note('n2', NEWER, 0)).toBe(0);
  expect(faults.note('n1', new Error('a wrong checksum'), 1)).toBe(0);
  expect(faults.note('n1', NEWER, 2)).toBe(0);
});
