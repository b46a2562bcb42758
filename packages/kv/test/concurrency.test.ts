import { utf8 } from '@holdfast/bytes';
import type { MemoryEnv } from '@holdfast/env/memory';
import { createMemoryEnv, SeededRandom } from '@holdfast/env/memory';
import { describe, expect, test } from 'vitest';
import type { LocalStore } from '../src/index.ts';
import { openLocalStore } from '../src/index.ts';
import { createMemoryStore } from '../src/testing/index.ts';
import { extentBytesOf, open, put } from './fixtures/crash-enumeration.ts';
import { decisionOf, dump, randomTransaction } from './fixtures/random-script.ts';

/** Flushes after every batch, and merges as soon as there are two tables. */
const RESTLESS = {
  memtableSizeBytes: 1,
  tableCountLimit: 1,
  reserveSizeBytes: 0,
  // Every look-up in a table is a read, so that flushes come between a look-up and its use.
  blockCacheSizeBytes: 0,
  wal: { segmentSizeBytes: 64 * 1024, preallocate: false },
};

describe('transactions, reads, flushes and merges at the same time', () => {
  for (const seed of [1, 2, 3, 4, 5, 6]) {
    test(`decisions and contents are those of the memory store, seed ${seed}`, async () => {
      const env = await createMemoryEnv({ seed });
      const store = await openLocalStore({ env, directory: '/data', settings: RESTLESS });
      await runBeside(env, store, new SeededRandom(seed));
      await store.close();
      const again = await open(env, RESTLESS);
      expect(again.status().liveBytes).toBe(await extentBytesOf(again));
      await again.close();
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

async function runBeside(env: MemoryEnv, store: LocalStore, random: SeededRandom): Promise<void> {
  const twin = createMemoryStore();
  // A large oldest table, so that small ones are merged without it and their tombstones count.
  const padding = Array.from({ length: 300 }, (_, at) => put(`pad-${at}`, 200));
  const keys = Array.from({ length: 25 }, (_, at) => put(`key-${at}`, 20));
  for (const each of [store, twin]) await each.transact({ operations: [...padding, ...keys] });
  await store.compact();
  for (let turn = 0; turn < 60; turn++) {
    const burst = Array.from({ length: 1 + random.below(12) }, () => randomTransaction(random, 25));
    const view = await store.readView();
    const before = await dump(twin);
    const deciding = Promise.all(burst.map((each) => decisionOf(store, each)));
    for (let wait = random.below(20); wait > 0; wait--) await env.files.stat('/data');
    const flushing = store.flush();
    const expected = await Promise.all(burst.map((each) => decisionOf(twin, each)));
    const decided = await deciding;
    await flushing;
    expect(decided).toEqual(expected);
    expect(await dump(view)).toEqual(before);
    view.close();
    if (turn % 10 === 0) await store.compact();
    const contents = await dump(twin);
    expect(await dump(store)).toEqual(contents);
    const key = utf8(`key-${random.below(25)}`);
    expect((await store.get(key))?.value).toEqual((await twin.get(key))?.value);
  }
  expect(store.status().liveBytes).toBe(await extentBytesOf(store));
  expect(store.status().flushes).toBeGreaterThan(20);
  expect(store.status().merges).toBeGreaterThan(5);
}
