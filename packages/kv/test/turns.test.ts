import type { MemoryEnv } from '@holdfast/env/memory';
import { createMemoryEnv } from '@holdfast/env/memory';
import { NodeClock } from '@holdfast/env/node';
import { describe, expect, test } from 'vitest';
import type { LocalStore, LocalStoreSettings } from '../src/index.ts';
import { openLocalStore } from '../src/index.ts';
import { del, put } from './fixtures/crash-enumeration.ts';

/** All in one memtable, one segment, and memory: nothing is ever waited for, unless the engine does so itself. */
const SETTINGS: LocalStoreSettings = {
  reserveSizeBytes: 0,
  wal: { preallocate: false },
};
/** Keys of a burst; and the fewest turns that its slices must leave, with room for what slices are counted in. */
const KEYS = 16_000;
const TURNS = KEYS / 2000;

function envWithTurns(): Promise<MemoryEnv> {
  return createMemoryEnv({ clock: new NodeClock() });
}

function open(env: MemoryEnv): Promise<LocalStore> {
  return openLocalStore({ env, directory: '/data', settings: SETTINGS });
}

/** Turns that the event loop has, for others, while the body runs. */
async function turnsWhile(body: () => Promise<unknown>): Promise<number> {
  let turns = 0;
  let over = false;
  const count = (): void => {
    if (over) return;
    turns++;
    setImmediate(count);
  };
  setImmediate(count);
  await body();
  over = true;
  return turns;
}

function transactAll(store: LocalStore, each: number): Promise<unknown> {
  return Promise.all(
    Array.from({ length: KEYS / each }, (_, number) => {
      const operations = Array.from({ length: each }, (_, at) => put(`${number}-${at}`, 10));
      return store.transact({ operations });
    }),
  );
}

describe('the event loop has its turns', () => {
  for (const each of [1, 500]) {
    test(`while a burst of transactions of ${each} operations is applied`, async () => {
      const store = await open(await envWithTurns());
      expect(await turnsWhile(() => transactAll(store, each))).toBeGreaterThanOrEqual(TURNS);
      await store.close();
    });
  }

  test('while the keys of one transaction are looked up in older parts', async () => {
    const store = await open(await envWithTurns());
    await store.transact({ operations: [put('older', 1)] });
    await store.flush();
    expect(await turnsWhile(() => transactAll(store, KEYS))).toBeGreaterThanOrEqual(TURNS);
    await store.close();
  });

  test('while the log is replayed', async () => {
    const env = await envWithTurns();
    const store = await open(env);
    await transactAll(store, 500);
    await store.close();
    let again: LocalStore | undefined;
    const turns = await turnsWhile(async () => {
      again = await open(env);
    });
    expect(again?.recovery.replayedRecords).toBe(KEYS / 500);
    expect(turns).toBeGreaterThanOrEqual(TURNS);
    await again?.close();
  });

  test('while a page, or a cursor, passes over what is deleted', async () => {
    const store = await open(await envWithTurns());
    await transactAll(store, 500);
    const keys = Array.from({ length: KEYS }, (_, at) => `${Math.floor(at / 500)}-${at % 500}`);
    await store.transact({ operations: keys.map(del) });
    const scan = await turnsWhile(async () => {
      expect((await store.scan({ limit: 10 })).entries).toEqual([]);
    });
    expect(scan).toBeGreaterThanOrEqual(TURNS);
    const cursor = await store.cursor({});
    expect(await turnsWhile(() => cursor.next())).toBeGreaterThanOrEqual(TURNS);
    cursor.close();
    await store.close();
  });

  test('while a long page is taken from memory', async () => {
    const store = await open(await envWithTurns());
    await transactAll(store, 500);
    const turns = await turnsWhile(async () => {
      expect((await store.scan({ limit: KEYS })).entries).toHaveLength(KEYS);
    });
    expect(turns).toBeGreaterThanOrEqual(TURNS);
    await store.close();
  });

  test('while a segment of dead values is searched for the live one', async () => {
    const settings = {
      ...SETTINGS,
      wal: { preallocate: false, segmentSizeBytes: 8 * 1024 * 1024 },
    };
    const store = await openLocalStore({ env: await envWithTurns(), directory: '/data', settings });
    await store.transact({ operations: [put('live', 1100)] });
    const operations = Array.from({ length: 1000 }, (_, at) => put(`key-${at}`, 1100));
    for (let round = 0; round < 10; round++) await store.transact({ operations });
    const turns = await turnsWhile(async () => {
      expect(await store.compact()).toMatchObject({ movedBytes: 1100, rewrittenSegments: 1 });
    });
    expect(turns).toBeGreaterThanOrEqual(5);
    await store.close();
  });
});
