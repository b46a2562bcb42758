import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createMemoryEnv, ManualClock } from '@holdfast/env/memory';
import { createNodeEnv } from '@holdfast/env/node';
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
