import type { LocalStore } from '@holdfast/kv';

/**
 * Gives disk space back after objects were deleted: a segment that holds nothing live can be unlinked, and one that
 * is mostly dead rewritten, once no restart would have to read it again. Cheap where there is none.
 */
export async function reclaimSpace(kv: LocalStore): Promise<void> {
  const dead = kv
    .status()
    .segments.filter(({ sealed, liveBytes, sizeBytes }) => sealed && liveBytes < sizeBytes / 2);
  // A flush writes the index, so that the log below it is only a store of values; then it removes segments.
  if (dead.some(({ released }) => !released)) await kv.flush();
  await kv.collect();
}
