import { describe, expect, test } from 'vitest';
import { COMPACTED, MIXED } from './fixtures/crash-enumeration.ts';
import { killEverywhere } from './fixtures/killed.ts';

describe('what a killed process had left in a cache is not lost with the power later', () => {
  test.each([
    ['everything', MIXED],
    ['compaction', COMPACTED],
  ])('%s', async (_, run) => {
    expect(await killEverywhere(run)).toBeGreaterThan(100);
  });
});
