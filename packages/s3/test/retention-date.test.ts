import { expect, test } from 'vitest';
import { retentionEndMs } from '../src/retention-date.ts';

test.each([
  ['2030-01-02T03:04:05Z', Date.UTC(2030, 0, 2, 3, 4, 5)],
  ['2030-01-02T03:04:05.678Z', Date.UTC(2030, 0, 2, 3, 4, 5, 678)],
  ['2030-01-02T03:04:05', Date.UTC(2030, 0, 2, 3, 4, 5)],
  ['2030-01-02T03:04:05+02:00', Date.UTC(2030, 0, 2, 1, 4, 5)],
  ['2030-01-02T03:04:05-02:00', Date.UTC(2030, 0, 2, 5, 4, 5)],
  ['2030-01-02', undefined],
  ['2030-01-02T03:04Z', undefined],
  ['2030-13-02T03:04:05Z', undefined],
  ['2030-01-02T25:04:05Z', undefined],
  ['Wed, 02 Jan 2030 03:04:05 GMT', undefined],
  ['1893553445000', undefined],
  ['', undefined],
])('a retention until %s ends at %s', (text, expected) => {
  expect(retentionEndMs(text)).toBe(expected);
});
