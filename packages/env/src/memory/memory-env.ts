import type { Crc32c } from '@holdfast/bytes';
import type { Clock } from '../clock.ts';
import type { Env } from '../env.ts';
import { loadCrc32c } from '../node/crc32c.ts';
import { ThreadCiphers } from '../node/thread-ciphers.ts';
import { ThreadDigests } from '../node/thread-digests.ts';
import { loadXxHashes } from '../node/xx-hashes.ts';
import { ManualClock } from './manual-clock.ts';
import { MemoryFiles, type MemoryFilesOptions } from './memory-files.ts';
import { SeededRandom } from './seeded-random.ts';

export interface MemoryEnvOptions extends Omit<MemoryFilesOptions, 'clock'> {
  /** Wall-clock time at the start, milliseconds since 1970. Default 2025-01-01T00:00:00Z. */
  readonly startMs?: number;
  /** Replaces the manual clock: of a server in memory that serves people. */
  readonly clock?: Clock;
  /** Default: the one that `loadCrc32c` chooses. */
  readonly crc32c?: Crc32c;
  /** A disk that is there already: of `crashStates` or `clone`. */
  readonly files?: MemoryFiles;
}

export interface MemoryEnv extends Env {
  readonly files: MemoryFiles;
  readonly random: SeededRandom;
  /** What `clock` is, unless the options gave another: then nothing depends on it. */
  readonly manualClock: ManualClock;
}

/** A whole environment in memory that repeats with its seed. */
export async function createMemoryEnv(options: MemoryEnvOptions = {}): Promise<MemoryEnv> {
  const seed = options.seed ?? 1;
  const manualClock = new ManualClock(options.startMs);
  const clock = options.clock ?? manualClock;
  const loaded = await loadCrc32c();
  const crc32c = options.crc32c ?? loaded.crc32c;
  return {
    files: options.files ?? new MemoryFiles({ ...options, clock }),
    clock,
    manualClock,
    random: new SeededRandom(seed),
    digests: new ThreadDigests(crc32c, await loadXxHashes()),
    ciphers: new ThreadCiphers(),
    crc32c,
    bodyChecksum: loaded.bodyChecksum,
  };
}
