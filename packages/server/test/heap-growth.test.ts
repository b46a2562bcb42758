import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const PROGRAM = new URL('../src/main.ts', import.meta.url).href;

/** Uses each MiB once, as bodies that peers send are used, and prints how often all of the heap was collected. */
const TAKES_BODIES = `
  import { PerformanceObserver, constants } from 'node:perf_hooks';
  const { exit } = process;
  const [program] = process.argv.splice(1, 1);
  if (program !== undefined) {
    process.argv.unshift(process.execPath);
    process.exit = () => undefined;
    await import(program);
  }
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
  process.stdout.write(String(collections), () => exit(0));
`;

async function collections(...program: readonly string[]): Promise<number> {
  const words = ['--input-type=module', '--eval', TAKES_BODIES, ...program];
  // Half a pair of keys: a server refuses it, and ends before it has begun.
  const env = { HOLDFAST_ACCESS_KEY: 'half-a-pair' };
  const { stdout } = await promisify(execFile)(process.execPath, words, { env });
  return Number(stdout);
}

test('512 MiB in bodies that are used once do not have all of the heap collected once for each 64', async () => {
  const [leftToItself, server] = await Promise.all([
    collections(),
    collections(PROGRAM, 'serve', '--data', 'never-made'),
  ]);
  expect(leftToItself).toBeGreaterThanOrEqual(6);
  expect(server).toBeLessThanOrEqual(2);
});
