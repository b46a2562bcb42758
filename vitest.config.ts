import { defineConfig } from 'vitest/config';
import { LongestFirst } from './scripts/longest-first.ts';

export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        test: {
          name: 'packages',
          globalSetup: ['scripts/leak-check.ts'],
          include: ['packages/*/test/**/*.test.ts'],
          exclude: ['**/node_modules/**', 'packages/*/test/prove/**'],
          // vitest would leave one core to itself, which next to never needs it.
          maxWorkers: '100%',
          // Why so long: only what hangs ends here. What works takes a few seconds, or a minute of a slow disk or a busy machine.
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      },
      {
        // Too long for every run: `npm run prove -- NAME`, see docs/testing.md.
        test: {
          name: 'prove',
          globalSetup: ['scripts/leak-check.ts'],
          include: ['packages/*/test/prove/**/*.test.ts'],
          exclude: ['**/node_modules/**'],
        },
      },
      {
        test: {
          name: 'e2e',
          globalSetup: ['scripts/leak-check.ts'],
          include: ['e2e/**/*.test.ts'],
          exclude: ['**/node_modules/**'],
          // Why so long: as above; and some are thousands of syncs, one after the other, each of which may take a fifth of a second.
          testTimeout: 1_800_000,
          hookTimeout: 1_800_000,
          // Why more than two cores: what they do is mostly to wait, for elections, syncs and starts.
          maxWorkers: 3,
        },
      },
    ],
  },
});
