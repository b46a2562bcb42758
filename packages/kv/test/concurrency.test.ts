import { createMemoryEnv } from '@holdfast/env/memory';
import { describe, expect, test } from 'vitest';
import { open, put } from './fixtures/crash-enumeration.ts';
import { dump } from './fixtures/random-script.ts';
import { runBesideTwin } from './fixtures/run-beside.ts';

describe('transactions, reads, flushes and merges at the same time', () => {
  for (const seed of [1, 2, 3, 4, 5, 6]) {
    test(`decisions and contents are those of the memory store, seed ${seed}`, async () => {
      await runBesideTwin(seed);
    });
  }

  test('what was written during a flush is there after a restart', async () => {
    const env = await createMemoryEnv();
    const store = await open(env);
    await store.transact({ operations: [put('a', 10)] });
    const flushing = store.flush();
    await store.transact({ operations: [put('b', 2000)] });
    await flushing;
    await store.transact({ operations: [put('c', 10)] });
    await store.close();
    const again = await open(env);
    expect((await dump(again)).length).toBe(3);
    expect(again.recovery.replayedRecords).toBeGreaterThan(0);
    await again.close();
  });
});
