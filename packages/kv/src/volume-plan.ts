import type { Env } from '@holdfast/env';

const MIB: number = 1024 * 1024;
/** A volume with so much free takes the defaults, however much is on it. */
const LARGE_FREE_BYTES: number = 8 * 1024 * MIB;
const SEGMENT_LEAST_BYTES: number = 4 * MIB;
const SEGMENT_MOST_BYTES: number = 64 * MIB;
/** Of what the store may use, one part in so many is a segment. */
const SEGMENTS_IN_VOLUME = 32;

/** Sizes that fit the volume: the defaults of a store that says nothing else. */
export interface VolumePlan {
  readonly segmentSizeBytes: number;
  /** Room that is kept for deletes: three segments. */
  readonly reserveSizeBytes: number;
  readonly memtableSizeBytes: number;
  readonly replaySizeBytes: number;
}

/**
 * Sizes for the volume of a folder, by what is free on it and what the store has on it already: so a volume that is full
 * at the start is judged like an empty one of the same size. From 2 GiB on everything has its full size.
 */
export async function planVolume(env: Env, directory: string): Promise<VolumePlan> {
  const freeBytes = await env.files.freeBytes(directory);
  if (freeBytes >= LARGE_FREE_BYTES) return planFor(freeBytes);
  const folders = [`${directory}/wal`, `${directory}/kv`];
  const used = await Promise.all(folders.map((folder) => folderBytes(env, folder)));
  return planFor(used.reduce((sum, bytes) => sum + bytes, freeBytes));
}

function planFor(capacityBytes: number): VolumePlan {
  let segmentSizeBytes = SEGMENT_MOST_BYTES;
  while (
    segmentSizeBytes > SEGMENT_LEAST_BYTES &&
    segmentSizeBytes * SEGMENTS_IN_VOLUME > capacityBytes
  ) {
    segmentSizeBytes /= 2;
  }
  return {
    segmentSizeBytes,
    reserveSizeBytes: 3 * segmentSizeBytes,
    memtableSizeBytes: segmentSizeBytes / 2,
    replaySizeBytes: 4 * segmentSizeBytes,
  };
}

async function folderBytes(env: Env, directory: string): Promise<number> {
  if ((await env.files.stat(directory)) === undefined) return 0;
  const names = await env.files.list(directory);
  const stats = await Promise.all(names.map((name) => env.files.stat(`${directory}/${name}`)));
  return stats.reduce((sum, stat) => sum + (stat?.sizeBytes ?? 0), 0);
}
