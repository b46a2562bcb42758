import { createMemoryEnv } from '@holdfast/env/memory';
import { describe, expect, test } from 'vitest';
import {
  COMPACTED,
  enumerate,
  MANY_FLUSHES,
  MIXED,
  open,
  Script,
} from './fixtures/crash-enumeration.ts';

describe('a crash at every operation, with every legal state of the disk after it', () => {
  test('loses nothing acknowledged, leaves nothing half done, and recovery is idempotent', async () => {
    const counts = await enumerate(MIXED, { exhaustiveLimit: 4, sampleCount: 2 });
    console.info(`checked ${JSON.stringify(counts)}`);
    expect(counts.operations).toBeGreaterThan(60);
    expect(counts.states).toBeGreaterThan(500);
  });

  test('the same when recovery itself is cut off', async () => {
    const few = { exhaustiveLimit: 1, torn: false, garbled: false, sampleCount: 1 };
    const counts = await enumerate(MIXED, few, { second: few, stride: 10 });
    console.info(`checked ${JSON.stringify(counts)}`);
    expect(counts.secondStates).toBeGreaterThan(500);
  });

  test('the same while values are moved and the segments that they were in are removed', async () => {
    const counts = await enumerate(COMPACTED, { exhaustiveLimit: 3, sampleCount: 1 });
    console.info(`checked ${JSON.stringify(counts)}`);
    expect(counts.operations).toBeGreaterThan(60);
    expect(counts.states).toBeGreaterThan(300);
  });

  test('the same when the recovery from a cut-off compaction is cut off', async () => {
    const few = { exhaustiveLimit: 1, torn: false, garbled: false, sampleCount: 1 };
    const counts = await enumerate(COMPACTED, few, { second: few, stride: 8 });
    console.info(`checked ${JSON.stringify(counts)}`);
    expect(counts.secondStates).toBeGreaterThan(300);
  });

  test('the same around the rewriting of a long MANIFEST', async () => {
    const env = await createMemoryEnv();
    const store = await open(env);
    await MANY_FLUSHES(store, new Script(store));
    await store.close();
    const rewritten = env.files
      .operations()
      .filter(({ kind, to }) => kind === 'rename' && to?.endsWith('/MANIFEST'));
    expect(rewritten.length).toBe(2);
    const at = rewritten[1]?.number ?? 0;
    const counts = await enumerate(
      MANY_FLUSHES,
      { exhaustiveLimit: 3, sampleCount: 1 },
      { from: at - 6, to: at + 12 },
    );
    console.info(`checked ${JSON.stringify(counts)}`);
    expect(counts.operations).toBe(19);
  });
});
