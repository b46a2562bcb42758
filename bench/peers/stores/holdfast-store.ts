import { createNodeEnv } from '@holdfast/env/node';
import { openLocalStore } from '@holdfast/kv';
import { BLOCK_CACHE_BYTES, type PeerStore, WRITE_BUFFER_BYTES } from './peer-store.ts';

/** The engine with its log on node files, as a server with one node has it. */
export async function openHoldfastStore(directory: string): Promise<PeerStore> {
  const env = await createNodeEnv();
  const store = await openLocalStore({
    env,
    directory,
    settings: { blockCacheSizeBytes: BLOCK_CACHE_BYTES, memtableSizeBytes: WRITE_BUFFER_BYTES },
  });
  return {
    putBatch: async (entries) => {
      const operations = entries.map(({ key, value }) => ({ kind: 'put' as const, key, value }));
      const result = await store.transact({ operations });
      if (!result.committed) throw new Error('a batch was not committed');
    },
    get: async (key) => (await store.get(key))?.value,
    scan: async (from, limit) => (await store.scan({ from, limit })).entries,
    close: async () => {
      await store.close();
      await env.digests.close();
    },
  };
}
