import { utf8 } from '@holdfast/bytes';
import { createMemoryEnv } from '@holdfast/env/memory';
import { describe, expect, test } from 'vitest';
import type { LocalStore } from '../src/index.ts';
import { del, open, put, settle, TINY } from './fixtures/crash-enumeration.ts';

/** Segments are removed only when they are empty. */
const NO_REWRITING = { ...TINY, compactionLiveShare: 0 };

/** Ids of the segments that are there. */
function idsOf(store: LocalStore): number[] {
  return store.status().segments.map(({ segmentId }) => segmentId);
}

async function fill(store: LocalStore): Promise<void> {
  for (const key of ['a', 'b', 'c', 'd', 'e', 'f']) {
    await store.transact({ operations: [put(key, 6000)] });
  }
}

describe('segments', () => {
  test('one whose values are all overwritten or deleted is removed by compact', async () => {
    const env = await createMemoryEnv();
    const store = await open(env, NO_REWRITING);
    await fill(store);
    const before = idsOf(store);
    expect(before.length).toBeGreaterThan(2);
    await store.compact();
    expect(idsOf(store)).toEqual(before);
    await store.transact({ operations: ['a', 'b', 'c', 'd', 'e'].map(del) });
    await store.compact();
    const [first, ...rest] = idsOf(store);
    expect(first).toBeGreaterThan(before[0] as number);
    expect(rest.length).toBeLessThan(before.length - 1);
    expect((await store.get(utf8('f')))?.valueSizeBytes).toBe(6000);
    await store.close();
  });

  test('one that a view needs stays until the view is closed', async () => {
    const env = await createMemoryEnv();
    const store = await open(env);
    await fill(store);
    const before = idsOf(store);
    const view = await store.readView();
    await store.transact({ operations: ['a', 'b', 'c', 'd', 'e', 'f'].map(del) });
    const late = await store.readView();
    await store.compact();
    expect(idsOf(store)).toEqual(expect.arrayContaining(before));
    expect((await view.get(utf8('a')))?.value).toEqual(new Uint8Array(6000).fill(97 + (6000 % 7)));
    view.close();
    await store.collect();
    expect(idsOf(store).length).toBe(1);
    expect(await late.get(utf8('a'))).toBeUndefined();
    late.close();
    expect(store.status().openReaders).toBe(0);
    await store.close();
  });

  test('a view that is too old lets go of what it holds', async () => {
    const env = await createMemoryEnv();
    const store = await open(env);
    await fill(store);
    const view = await store.readView({ maxAgeMs: 1000 });
    await store.transact({ operations: ['a', 'b', 'c', 'd', 'e', 'f'].map(del) });
    env.manualClock.advance(1000);
    await store.compact();
    expect(idsOf(store).length).toBe(1);
    view.close();
    await store.close();
  });

  test('giving space back again and again leaves no more tables than flushes would', async () => {
    const env = await createMemoryEnv();
    const store = await open(env, NO_REWRITING);
    for (let round = 0; round < 20; round++) {
      await store.transact({ operations: [put('kept', 100), put(`gone-${round % 3}`, 6000)] });
      await store.transact({ operations: [del(`gone-${round % 3}`)] });
      await store.collect();
      await settle();
    }
    expect(store.status().flushes).toBeGreaterThan(15);
    expect(store.status().tableCount).toBeLessThanOrEqual(4);
    await store.close();
  });

  test('live bytes are exact, also after a restart with and without a flush', async () => {
    const env = await createMemoryEnv();
    const store = await open(env);
    await fill(store);
    await store.transact({ operations: [put('a', 2000), put('a', 3000), del('b')] });
    expect(store.status().liveBytes).toBe(3000 + 4 * 6000);
    await store.close();
    const second = await open(env);
    expect(second.status().liveBytes).toBe(27_000);
    await second.flush();
    await second.transact({ operations: [put('c', 10)] });
    await second.close();
    const third = await open(env);
    expect(third.status().liveBytes).toBe(21_000);
    expect(third.recovery.replayedRecords).toBe(1);
    await third.close();
  });
});
