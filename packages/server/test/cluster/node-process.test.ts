import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { SERVER_OPTIONS } from '../../src/node-options.ts';

/** Keeps many young objects alive, after which V8 gives them as much room as it may. Prints how much, in MiB. */
const SCRIPT = `
  for (let round = 0; round < 4; round++) {
    const kept = [];
    for (let at = 0; at < 400_000; at++) kept.push({ at, also: [at] });
  }
  const spaces = require('node:v8').getHeapSpaceStatistics();
  const young = spaces.find(({ space_name }) => space_name === 'new_space');
  console.log(young.space_size / 2 ** 20);
`;

test('the young generation of a node does not grow beyond 32 MiB, however much of it lives', async () => {
  const words = [...SERVER_OPTIONS, '--eval', SCRIPT];
  const { stdout } = await promisify(execFile)(process.execPath, words, { env: {} });
  expect(Number(stdout)).toBeGreaterThan(0);
  expect(Number(stdout)).toBeLessThanOrEqual(32);
});
