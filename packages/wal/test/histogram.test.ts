import { term } from '@holdfast/bytes';
import { createMemoryEnv } from '@holdfast/env/memory';
import { expect, test } from 'vitest';
import { Histogram } from '../src/histogram.ts';
import { openWal } from '../src/index.ts';

test('a number is counted in the first range whose bound it does not pass', () => {
  const histogram = new Histogram([1, 10]);
  histogram.observe(1);
  histogram.observe(2, 3);
  histogram.observe(11);
  expect(histogram.counts).toEqual({ bounds: [1, 10], counts: [1, 3, 1], sum: 18, count: 5 });
});

test('the log counts each record once as appended, and each batch once as synced', async () => {
  const env = await createMemoryEnv();
  const identity = { clusterId: 'a'.repeat(32), nodeId: 'b'.repeat(32) };
  const wal = await openWal({ env, directory: '/wal', identity, preallocate: false });
  for (let at = 0; at < 5; at++) wal.append({ term: term(1), kind: 1, head: new Uint8Array(10) });
  await wal.sync();
  const { appendLatencyMs, syncLatencyMs, batchBytes, batches } = wal.stats();
  expect(appendLatencyMs.count).toBe(5);
  expect(syncLatencyMs.count).toBe(batches);
  expect(batchBytes).toMatchObject({ count: batches, sum: 4096 * batches });
  await wal.close();
});
