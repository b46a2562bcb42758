import { open } from 'lmdb';
import type { PeerEntry, PeerStore } from './peer-store.ts';

/** LMDB, every commit synced before it returns. Its memory is the page cache, as it maps its file. */
export async function openLmdbStore(directory: string): Promise<PeerStore> {
  const lmdb = open<Uint8Array, Uint8Array>({
    path: directory,
    keyEncoding: 'binary',
    encoding: 'binary',
    // Why: by default a commit returns before its sync.
    overlappingSync: false,
  });
  return {
    putBatch: async (entries) =>
      lmdb.transactionSync(() => {
        for (const { key, value } of entries) lmdb.putSync(key, value);
      }),
    get: (key) => lmdb.get(key),
    scan: async (start, limit) => {
      const entries: PeerEntry[] = [];
      for (const entry of lmdb.getRange({ start, limit })) entries.push(entry);
      return entries;
    },
    close: () => lmdb.close(),
  };
}
