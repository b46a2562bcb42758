import { createMemoryEnv } from '@holdfast/env/memory';
import { expect, test } from 'vitest';
import { Script } from './crash/script.ts';
import { mergeBesideFlushes } from './crash/store-scenarios.ts';
import { contentsOf, open } from './fixtures/crash-enumeration.ts';

test('flushes are committed, and seen, while a merge is on its way', async () => {
  const env = await createMemoryEnv();
  const store = await open(env);
  const script = new Script(store);
  await mergeBesideFlushes(store, script);
  expect(await contentsOf(store)).toEqual(script.contents.at(-1));
  expect(store.status()).toMatchObject({ merges: 1 });
  expect(store.status().tableCount).toBeGreaterThan(1);
  await store.close();
});
