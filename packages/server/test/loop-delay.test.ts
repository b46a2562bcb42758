import { expect, test } from 'vitest';
import { lateSeconds } from '../src/loop-delay.ts';

test('the time between two samples is no delay of the event loop, and what comes on top is', () => {
  expect([0, 100e6].map(lateSeconds)).toEqual([0, 0]);
  expect(lateSeconds(350e6)).toBeCloseTo(0.25);
});
