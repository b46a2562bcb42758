import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const MODULE = new URL('../../src/cluster/heap-growth.ts', import.meta.url).href;

/** Uses each MiB once, as bodies that peers send are used, and prints how often all of the heap was collected. */
const TAKES_BODIES = `
  import { PerformanceObserver, constants } from 'node:perf_hooks';
  const [setting] = process.argv.slice(1);
  if (setting !== undefined) (await import(setting)).collectLessOften();
  let collections = 0;
  const count = (list) => {
    for (const { detail } of list.getEntries()) {
      if (detail.kind !== constants.NODE_PERFORMANCE_GC_MINOR) collections++;
    }
  };
  const observer = new PerformanceObserver(count);
  observer.observe({ entryTypes: ['gc'] });
  const inUse = [];
  for (let body = 0; body < 512; body++) {
    inUse[body % 32] = new Uint8Array(1024 * 1024);
    if (body % 16 === 0) await new Promise(setImmediate);
  }
  count({ getEntries: () => observer.takeRecords() });
  console.log(collections);
`;

async function collections(...settings: readonly string[]): Promise<number> {
  const words = ['--input-type=module', '--eval', TAKES_BODIES, ...settings];
  const { stdout } = await promisify(execFile)(process.execPath, words, { env: {} });
  return Number(stdout);
}

test('512 MiB in bodies that are used once do not have all of the heap collected once for each 64', async () => {
  const [leftToItself, less] = await Promise.all([collections(), collections(MODULE)]);
  expect(leftToItself).toBeGreaterThanOrEqual(6);
  expect(less).toBeLessThanOrEqual(2);
});
