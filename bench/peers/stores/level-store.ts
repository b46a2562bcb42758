import { ClassicLevel } from 'classic-level';
import { BLOCK_CACHE_BYTES, type PeerStore, WRITE_BUFFER_BYTES } from './peer-store.ts';

const PAGE_LIMIT_BYTES: number = 1024 * 1024;

/** LevelDB through classic-level. */
export async function openLevelStore(directory: string): Promise<PeerStore> {
  const level = new ClassicLevel<Uint8Array, Uint8Array>(directory, {
    keyEncoding: 'view',
    valueEncoding: 'view',
    cacheSize: BLOCK_CACHE_BYTES,
    writeBufferSize: WRITE_BUFFER_BYTES,
  });
  await level.open();
  return {
    putBatch: (entries) =>
      level.batch(
        entries.map(({ key, value }) => ({ type: 'put' as const, key, value })),
        { sync: true },
      ),
    get: (key) => level.get(key),
    scan: async (key, limit) => {
      // Why the mark: else a page ends at 16 KiB.
      const iterator = level.iterator({ gte: key, limit, highWaterMarkBytes: PAGE_LIMIT_BYTES });
      try {
        const entries = await iterator.nextv(limit);
        return entries.map(([found, value]) => ({ key: found, value }));
      } finally {
        await iterator.close();
      }
    },
    close: () => level.close(),
  };
}
