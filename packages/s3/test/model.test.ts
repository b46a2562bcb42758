import { test } from 'vitest';
import { modelRun } from './model-run.ts';

const SEEDS = Array.from({ length: 10 }, (_, index) => index + 1);

test.each(SEEDS)(
  'operations by chance on versions are answered as a model says, seed %i',
  modelRun,
);
