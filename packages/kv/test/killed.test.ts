import { describe, expect, test } from 'vitest';
import { COMPACTED, MIXED } from './fixtures/crash-enumeration.ts';
import { failEverywhere, killEverywhere } from './fixtures/killed.ts';

describe('what a killed process had left in a cache is not lost with the power later', () => {
  test.each([
    ['everything', MIXED],
    ['compaction', COMPACTED],
  ])('%s', async (_, run) => {
    expect(await killEverywhere(run)).toBeGreaterThan(100);
  });
});

describe('what the disk failed to write, and a cache shows as written, is not built on', () => {
  test.each([
    ['everything', MIXED, true],
    ['everything, where no write is direct', MIXED, false],
    ['compaction', COMPACTED, true],
    ['compaction, where no write is direct', COMPACTED, false],
  ])('%s', async (_, run, direct) => {
    expect(await failEverywhere(run, { direct })).toBeGreaterThan(50);
  });
});
