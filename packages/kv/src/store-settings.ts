import type { Env } from '@holdfast/env';
import type { WalOptions } from '@holdfast/wal';
import type { RecoverRequest } from './local-recovery.ts';
import type { CompactionSettings } from './maintenance.ts';
import { planVolume } from './volume-plan.ts';

const KIB: number = 1024;
const MIB: number = 1024 * KIB;

/** All have defaults that suit one node on one disk; on a volume below 2 GiB, smaller ones (`planVolume`). */
export interface LocalStoreSettings {
  readonly wal?: Omit<WalOptions, 'env' | 'directory' | 'identity'>;
  /** A memtable of this size is flushed. Default 32 MiB; up to three times as much while writes run. */
  readonly memtableSizeBytes?: number;
  /** Bytes of log after the last flush that force the next: it bounds restart. Default 256 MiB. */
  readonly replaySizeBytes?: number;
  /** Blocks of tables kept in memory. Default 64 MiB. */
  readonly blockCacheSizeBytes?: number;
  /** Tables beyond which some are merged; more only as the logarithm of their bytes. Default 4. */
  readonly tableCountLimit?: number;
  /** A memtable of fewer bytes is written as a table in slices on the calling thread; 0: none. Default 8 MiB. */
  readonly flushThreadSizeBytes?: number;
  /** Tables of fewer bytes in all are merged in slices on the calling thread; 0: none. Default 512 KiB. */
  readonly mergeThreadSizeBytes?: number;
  /** Transactions that may wait while the log is busy; beyond it KV_BUSY. Default 64 MiB. */
  readonly waitingSizeLimitBytes?: number;
  /** Room on the volume that is kept for deletes; 0 keeps none. Default 192 MiB: three segments. */
  readonly reserveSizeBytes?: number;
  /** A segment with a smaller share of live bytes is rewritten; 0 rewrites none. Default 0.5. */
  readonly compactionLiveShare?: number;
  /** Bytes that compaction copies in a second in the background. Default 32 MiB. */
  readonly compactionBytesPerSecond?: number;
  /** Clients whose last answer is remembered. Part of the state: never change it. Default 10,000. */
  readonly sessionLimit?: number;
}

/** `LocalStoreSettings` with every default filled in, for the volume that the folder is on. */
export interface ResolvedSettings
  extends Pick<RecoverRequest, 'wal' | 'engine' | 'memtableSizeBytes'> {
  readonly replaySizeBytes: number;
  readonly flushThreadSizeBytes: number;
  readonly mergeThreadSizeBytes: number;
  readonly waitingSizeLimitBytes: number;
  readonly reserveSizeBytes: number;
  readonly compaction: CompactionSettings;
}

export async function resolveSettings(
  env: Env,
  directory: string,
  settings: LocalStoreSettings,
): Promise<ResolvedSettings> {
  const plan = await planVolume(env, directory);
  const segmentSizeBytes = settings.wal?.segmentSizeBytes ?? plan.segmentSizeBytes;
  const reserveSizeBytes = settings.reserveSizeBytes ?? plan.reserveSizeBytes;
  return {
    wal: { ...settings.wal, segmentSizeBytes },
    engine: {
      blockCacheSizeBytes: settings.blockCacheSizeBytes ?? 64 * MIB,
      tableCountLimit: settings.tableCountLimit ?? 4,
      sessionLimit: settings.sessionLimit ?? 10_000,
    },
    memtableSizeBytes: settings.memtableSizeBytes ?? plan.memtableSizeBytes,
    replaySizeBytes: settings.replaySizeBytes ?? plan.replaySizeBytes,
    flushThreadSizeBytes: settings.flushThreadSizeBytes ?? 8 * MIB,
    mergeThreadSizeBytes: settings.mergeThreadSizeBytes ?? 512 * KIB,
    waitingSizeLimitBytes: settings.waitingSizeLimitBytes ?? 64 * MIB,
    reserveSizeBytes,
    compaction: {
      liveShare: settings.compactionLiveShare ?? 0.5,
      bytesPerSecond: settings.compactionBytesPerSecond ?? 32 * MIB,
      fileSizeBytes: segmentSizeBytes,
      // Why little: copying gives back more than it takes, and nothing else does once puts are refused.
      floorSizeBytes: Math.floor(reserveSizeBytes / 12),
      reserveSizeBytes,
    },
  };
}
