import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createMemoryEnv, ManualClock } from '@holdfast/env/memory';
import { createNodeEnv } from '@holdfast/env/node';
import { expect, test } from 'vitest';
import type { LocalStoreSettings } from '../src/index.ts';
import { openLocalStore } from '../src/index.ts';
import { kvStoreContract } from '../src/testing/index.ts';

const SMALL: LocalStoreSettings = {
  memtableSizeBytes: 1,
  tableCountLimit: 2,
  reserveSizeBytes: 0,
  wal: { segmentSizeBytes: 64 * 1024, preallocate: false },
};

kvStoreContract('engine over env/memory', async () => {
  const env = await createMemoryEnv();
  const open = () => openLocalStore({ env, directory: '/data', settings: { reserveSizeBytes: 0 } });
  const store = await open();
  return {
    store,
    reopen: async () => {
      await store.close();
      return open();
    },
    passTime: (elapsedMs) => env.manualClock.advance(elapsedMs),
  };
});

kvStoreContract('engine over env/memory, flushing after every batch', async () => {
  const env = await createMemoryEnv();
  const open = () => openLocalStore({ env, directory: '/data', settings: SMALL });
  const store = await open();
  return {
    store,
    reopen: async () => {
      await store.close();
      return open();
    },
    passTime: (elapsedMs) => env.manualClock.advance(elapsedMs),
  };
});

kvStoreContract('engine over env/node', async () => {
  const clock = new ManualClock();
  const env = { ...(await createNodeEnv()), clock };
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-kv-'));
  const open = () => openLocalStore({ env, directory, settings: { wal: { preallocate: false } } });
  const store = await open();
  return {
    store,
    reopen: async () => {
      await store.close();
      return open();
    },
    passTime: (elapsedMs) => clock.advance(elapsedMs),
    cleanUp: async () => {
      await env.digests.close();
      await rm(directory, { recursive: true });
    },
  };
});

test('a value that the log still has in memory is handed out as a copy, and nothing is read for it', async () => {
  const env = await createMemoryEnv();
  const store = await openLocalStore({ env, directory: '/d', settings: { reserveSizeBytes: 0 } });
  const key = Uint8Array.of(1);
  const value = new Uint8Array(4096).fill(7);
  await store.transact({ operations: [{ kind: 'put', key, value }] });
  const reading = store.get(key);
  expect(store.status().openReaders).toBe(0);
  const entry = await reading;
  expect(entry).toEqual({ key, version: 1, valueSizeBytes: 4096, value });
  entry?.value.fill(0);
  expect((await store.get(key))?.value).toEqual(value);
  const copies = await Promise.all(Array.from({ length: 40 }, () => store.get(key)));
  for (const [at, copy] of copies.entries()) copy?.value.fill(at);
  for (const [at, copy] of copies.entries()) {
    expect(copy?.value).toEqual(new Uint8Array(4096).fill(at));
  }
  await store.close();
  await expect(store.get(key)).rejects.toMatchObject({ code: 'KV_CLOSED' });
});
