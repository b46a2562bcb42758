import type { MemoryEnv } from '@holdfast/env/memory';
import { createMemoryEnv, ManualClock } from '@holdfast/env/memory';
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
const TURNS = KEYS / 1000 - 1;

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

/** Stands still until it is told to go on, and gives turns of the event loop. */
class ManualClockWithTurns extends ManualClock {
  override turn(): Promise<void> {
    return new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
}

/** The most that a number changes by between two turns of the event loop while the body runs. */
async function greatestChange(
  watched: () => number,
  body: () => Promise<unknown>,
): Promise<number> {
  let greatest = 0;
  let last = watched();
  let over = false;
  const look = (): void => {
    const now = watched();
    greatest = Math.max(greatest, Math.abs(now - last));
    last = now;
    if (!over) setImmediate(look);
  };
  setImmediate(look);
  await body();
  over = true;
  look();
  return greatest;
}

/** A store to which a burst comes while its disk does nothing until `go`. The log takes so much of it, the rest waits. */
async function withBurst(pendingSizeLimitBytes: number) {
  const clock = new ManualClockWithTurns();
  let stands = false;
  const env = await createMemoryEnv({
    clock,
    latencyMs: ({ kind }) => (stands && kind === 'writeSynced' ? 1000 : 0),
  });
  const settings = { ...SETTINGS, wal: { preallocate: false, pendingSizeLimitBytes } };
  const store = await openLocalStore({ env, directory: '/data', settings });
  await store.transact({ operations: [put('first', 1)] });
  stands = true;
  let answered = 0;
  const transact = async (name: string, sizeBytes: number): Promise<void> => {
    await store.transact({ operations: [put(name, sizeBytes)] });
    answered++;
  };
  const all = Array.from({ length: 4 }, (_, number) => transact(`large-${number}`, 1_000_000));
  for (let number = 0; number < KEYS; number++) all.push(transact(`small-${number}`, 200));
  const go = async (): Promise<void> => {
    stands = false;
    clock.advance(2000);
    await Promise.all(all);
  };
  return { store, go, answered: () => answered };
}

describe('the event loop has its turns', () => {
  test('while what waited for the log is handed to it', async () => {
    const { store, go } = await withBurst(4_100_000);
    const waitingBytes = (): number => store.status().waitingBytes;
    const before = waitingBytes();
    expect(before).toBeGreaterThan(KEYS * 200);
    expect(await greatestChange(waitingBytes, go)).toBeLessThanOrEqual(before / 8);
    await store.close();
  });

  test('while the writers of a burst are answered', async () => {
    const { store, go, answered } = await withBurst(16_000_000);
    expect(store.status().waitingBytes).toBe(0);
    expect(await greatestChange(answered, go)).toBeLessThanOrEqual(KEYS / 8);
    await store.close();
  });

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

  test('every few hundred entries while a memtable is flushed', async () => {
    const store = await open(await envWithTurns());
    await transactAll(store, 500);
    expect(await turnsWhile(() => store.flush())).toBeGreaterThanOrEqual(KEYS / 512);
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
    // The turn behind the last slice is taken before the next one, if there ever is one.
    expect(turns).toBeGreaterThanOrEqual(TURNS - 1);
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
    expect(turns).toBeGreaterThanOrEqual(10);
    await store.close();
  });
});
