import { utf8 } from '@holdfast/bytes';
import type { DiskOperation } from '@holdfast/env/memory';
import { createMemoryEnv, ManualClock } from '@holdfast/env/memory';
import { describe, expect, test } from 'vitest';
import { KvError, openLocalStore } from '../src/index.ts';
import { DIRECTORY, open, put, TINY } from './fixtures/crash-enumeration.ts';

/** An environment whose synced writes take a second, on a clock that only `advance` moves. */
async function slowEnv() {
  const clock = new ManualClock();
  let slow = false;
  const latencyMs = ({ kind }: DiskOperation) => (slow && kind === 'writeSynced' ? 1000 : 0);
  const env = await createMemoryEnv({ clock, latencyMs });
  const setSlow = (value: boolean) => {
    slow = value;
  };
  /** Runs what can run without time passing. */
  const turns = async () => {
    for (let turn = 0; turn < 50; turn++) await env.files.stat('/');
  };
  return { env, clock, setSlow, turns };
}

describe('while a write is on its way to the disk', () => {
  test('no reader sees it before it is durable', async () => {
    const { env, clock, setSlow, turns } = await slowEnv();
    const store = await open(env);
    await store.transact({ operations: [put('a', 1)] });
    setSlow(true);
    const writing = store.transact({ operations: [put('b', 2000)] });
    await turns();
    expect(await store.get(utf8('b'))).toBeUndefined();
    expect((await store.scan({ limit: 10 })).entries.length).toBe(1);
    const view = await store.readView();
    setSlow(false);
    for (let turn = 0; turn < 5; turn++) {
      clock.advance(1000);
      await turns();
    }
    await writing;
    expect((await store.get(utf8('b')))?.valueSizeBytes).toBe(2000);
    expect(await view.get(utf8('b'))).toBeUndefined();
    view.close();
    await store.close();
  });

  test('what the log cannot take waits, up to a bound in bytes, and then KV_BUSY', async () => {
    const { env, clock, setSlow, turns } = await slowEnv();
    const settings = {
      ...TINY,
      waitingSizeLimitBytes: 10_000,
      wal: { ...TINY.wal, pendingSizeLimitBytes: 10_000 },
    };
    const store = await openLocalStore({ env, directory: DIRECTORY, settings });
    setSlow(true);
    const outcomes = Array.from({ length: 30 }, (_, turn) =>
      store.transact({ operations: [put(`key-${turn}`, 2000)] }).then(
        () => 'committed',
        (error: unknown) => (error instanceof KvError ? error.code : String(error)),
      ),
    );
    await turns();
    expect(store.status().waitingBytes).toBeGreaterThan(5000);
    expect(store.status().waitingBytes).toBeLessThanOrEqual(10_000);
    setSlow(false);
    for (let turn = 0; turn < 20; turn++) {
      clock.advance(1000);
      await turns();
    }
    const all = await Promise.all(outcomes);
    const taken = all.indexOf('KV_BUSY');
    expect(taken).toBeGreaterThan(5);
    expect(all).toEqual(all.map((_, turn) => (turn < taken ? 'committed' : 'KV_BUSY')));
    expect((await store.scan({ limit: 100 })).entries.length).toBe(taken);
    expect(store.status().waitingBytes).toBe(0);
    await store.close();
  });
});

test('forgotten and remembered sessions are the same after a restart, flushed or not', async () => {
  for (const flush of [false, true]) {
    const env = await createMemoryEnv();
    const named = (clientId: string, sequence: number) => ({
      operations: [put('key', sequence)],
      session: { clientId, sequence },
    });
    const store = await open(env);
    const first = await store.transact(named('one', 5));
    await store.transact(named('two', 5));
    await store.transact(named('one', 6));
    if (flush) await store.flush();
    await store.transact(named('three', 5));
    expect(store.status().sessions).toBe(2);
    await store.close();
    const again = await open(env);
    expect(again.status().sessions).toBe(2);
    expect((await again.transact(named('one', 6))).revision).toBe(first.revision + 2);
    const anew = await again.transact(named('two', 1));
    expect(anew.committed).toBe(true);
    await again.close();
  }
});
