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
});

test('faults of a peer that take turns are told once a minute each', () => {
  const faults = new RepeatedFaults();
  const other = new Error('the connection was lost');
  const told: number[] = [];
  for (let nowMs = 0; nowMs <= 60_000; nowMs += 100) {
    for (const error of [NEWER, other]) {
      const repeated = faults.note('n1', error, nowMs);
      if (repeated !== undefined) told.push(repeated);
    }
  }
  expect(told).toEqual([0, 0, 599, 599]);
});

test('of a peer as many faults are remembered as it usually has, and a further one is told', () => {
  const faults = new RepeatedFaults();
  for (let number = 0; number < 1000; number++) {
    expect(faults.note('n1', new Error(`byte ${number} is wrong`), number)).toBe(0);
  }
  expect(faults.note('n1', new Error('byte 999 is wrong'), 1000)).toBeUndefined();
  expect(faults.note('n1', new Error('byte 0 is wrong'), 1000)).toBe(0);
});
