import type { KvEntryWithValue, KvStore } from '@holdfast/kv';

/** The key space of chunks: `docs/formats/keys.md`. */
const CHUNKS = 0x30;
const TAG_BYTES = 16;

/** The stored chunk of the newest encrypted body of so many plain bytes. */
export async function newestChunk(kv: KvStore, plainBytes: number): Promise<KvEntryWithValue> {
  const { entries } = await kv.scan({
    from: Uint8Array.of(CHUNKS),
    to: Uint8Array.of(CHUNKS + 1),
    limit: 1000,
  });
  const sealed = entries.filter(({ value }) => value.length === plainBytes + TAG_BYTES);
  const newest = sealed.toSorted((a, b) => a.version - b.version).at(-1);
  if (newest === undefined) throw new Error('there is no such chunk');
  return newest;
}
