import { CrashSearch, createMemoryEnv, QUICK } from '@holdfast/env/memory';
import { describe, expect, test } from 'vitest';
import { type StoreScenario, storeScenarios } from './crash/store-scenarios.ts';
import { DIRECTORY, open, put } from './fixtures/crash-enumeration.ts';

function scenarioOf(name: string): StoreScenario {
  const scenario = storeScenarios[name];
  if (scenario === undefined) throw new Error(`there is no scenario ${name}`);
  return scenario;
}

describe('a crash at every operation, with every legal state of the disk after it, to depth two', () => {
  test.each(Object.keys(storeScenarios))('loses nothing acknowledged: %s', async (name) => {
    const { subject, options } = scenarioOf(name);
    const counts = await new CrashSearch(subject(), { ...QUICK, ...options }).run();
    console.info(`checked ${JSON.stringify(counts)}`);
    expect(counts.points).toBeGreaterThan(20);
    expect(counts.states).toBeGreaterThan(40);
    expect(counts.recoveryStates).toBeGreaterThan(20);
  });
});

test('an extent file that was cut off is removed, though recovery gives its id to a table', async () => {
  const env = await createMemoryEnv();
  const settings = { memtableSizeBytes: 1024, reserveSizeBytes: 0 };
  const store = await open(env, { ...settings, memtableSizeBytes: 1024 * 1024 });
  for (let count = 0; count < 40; count++) {
    await store.transact({ operations: [put(`key-${count}`, 100)] });
  }
  await store.close();
  await env.files.open(`${DIRECTORY}/kv/000000000001.extents`, 'create');
  const again = await open(env, settings);
  expect(again.status().tableCount).toBeGreaterThan(0);
  const names = await env.files.list(`${DIRECTORY}/kv`);
  expect(names).toContain('000000000001.table');
  expect(names.filter((name) => name.endsWith('.extents'))).toEqual([]);
  await again.close();
});
