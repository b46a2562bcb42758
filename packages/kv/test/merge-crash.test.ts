import { createMemoryEnv } from '@holdfast/env/memory';
import { expect, test } from 'vitest';
import type { Run } from './fixtures/crash-enumeration.ts';
import { contentsOf, del, enumerate, open, put, Script } from './fixtures/crash-enumeration.ts';

/** A merge of tables that are large enough to take a while, with flushes beside it. */
const BESIDE: Run = async (store, script) => {
  const many = Array.from({ length: 40 }, (_, at) => put(`key-${at}`, 1000));
  await script.transact({ operations: [...many, put('a', 3000)] });
  await store.flush();
  await script.transact({ operations: [put('a', 10), del('key-1')] });
  await store.flush();
  const merging = store.compact();
  merging.catch(() => undefined);
  await script.transact({ operations: [del('a'), put('b', 2000)] });
  await store.flush();
  await script.transact({ operations: [put('key-2', 5), put('c', 1)] });
  await store.flush();
  await merging;
  await script.transact({ operations: [put('last', 1)] });
};

test('flushes are committed, and seen, while a merge is on its way', async () => {
  const env = await createMemoryEnv();
  const store = await open(env);
  const script = new Script(store);
  await BESIDE(store, script);
  expect(await contentsOf(store)).toEqual(script.ledger.states.at(-1));
  expect(store.status()).toMatchObject({ merges: 1 });
  expect(store.status().tableCount).toBeGreaterThan(1);
  await store.close();
});

test('a crash while tables are merged beside flushes loses nothing acknowledged', async () => {
  const counts = await enumerate(BESIDE, { exhaustiveLimit: 3, sampleCount: 1 });
  console.info(`checked ${JSON.stringify(counts)}`);
  expect(counts.operations).toBeGreaterThan(40);
});
