import { expect, test } from 'vitest';
import { judgeRun } from './judge-run.ts';

// With two that find wildcards that stand for colons of an ARN, and copied tags that nobody was asked about.
const SEEDS = [...Array.from({ length: 12 }, (_, index) => index + 1), 23, 47];

test.each(SEEDS)('requests by chance are allowed as a judge says, seed %i', async (seed) => {
  const { allowed, denied } = await judgeRun(seed);
  expect(Math.min(allowed, denied)).toBeGreaterThan(20);
});
