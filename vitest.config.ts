import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'packages',
          globalSetup: ['scripts/leak-check.ts'],
          include: ['packages/*/test/**/*.test.ts'],
          exclude: ['**/node_modules/**', 'packages/*/test/prove/**'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
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
          testTimeout: 600_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
