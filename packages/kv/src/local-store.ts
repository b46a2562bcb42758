import type { Env } from '@holdfast/env';
import { makeDurableDirectory } from '@holdfast/env';
import type { WalIdentity } from '@holdfast/wal';
import { removePins } from './backup/pinned-files.ts';
import type { BackupReport, BackupRequest } from './backup/take-backup.ts';
import { CommitPipeline } from './commit-pipeline.ts';
import type { StoreSeam } from './committer.ts';
import type { CompactionProgress, CompactionReport } from './compactor.ts';
import { EngineStore } from './engine-store.ts';
import type { KvError } from './errors.ts';
import type { StoreImages } from './image/store-images.ts';
import type { StoreDamage } from './inspect-damage.ts';
import type { KvStore } from './kv-store.ts';
import type { LocalRecovery } from './local-recovery.ts';
import { passOver, recover } from './local-recovery.ts';
import type { HealReport } from './segment-healing.ts';
import { SpaceReserve } from './space-reserve.ts';
import type { LocalStoreSettings } from './store-settings.ts';
import { resolveSettings } from './store-settings.ts';
import type { LocalStoreStatus } from './store-status.ts';

export interface LocalStoreOptions {
  readonly env: Env;
  /** The node's folder: `node.json`, `wal/`, `kv/`. Made if it is not there. */
  readonly directory: string;
  /** Default: what `node.json` says; random where the folder is new. */
  readonly identity?: WalIdentity;
  readonly settings?: LocalStoreSettings;
  /**
   * Called once, when the log has failed: no outcome is known any more, and only a restart helps. Must not
   * throw.
   */
  readonly onFailure?: (error: KvError) => void;
}

/** A `KvStore` on a log of its own, in one process. */
export interface LocalStore extends KvStore {
  readonly identity: WalIdentity;
  /** What opening found and did. */
  readonly recovery: LocalRecovery;
  /** Everything acknowledged so far is in tables when it resolves: the next start replays nothing of it. */
  flush(): Promise<void>;
  /**
   * `flush`, then every segment rewritten that is mostly dead, one table made of all, and every segment removed
   * that holds nothing. Damaged segments are left as they are and named in the report.
   */
  compact(onProgress?: CompactionProgress): Promise<CompactionReport>;
  /** Removes segments that hold nothing, and starts to rewrite those that are mostly dead; cheap. */
  collect(): Promise<void>;
  /**
   * Writes what is live in a damaged segment or extent file anew, what cannot be read from other nodes, so that the file
   * can go. `damage`: as the scrubber reports it; of any other file it does nothing.
   */
  heal(damage: Pick<StoreDamage, 'file'>): Promise<HealReport>;
  /** Resolves when everything submitted so far is durable. */
  sync(): Promise<void>;
  /**
   * Backs the folder up as it is at this moment, while reads and writes go on. One at a time: KV_BUSY. A failure
   * does the store no harm, and leaves a target that the next backup completes.
   */
  backup(request: BackupRequest): Promise<BackupReport>;
  status(): LocalStoreStatus;
  /** This store's state for other nodes, and other nodes' states for this store. */
  readonly images: StoreImages;
}

/** On a log of its own everything that is durable is committed, and what a start finds is all there ever was. */
const OWN_LOG: StoreSeam = {
  hashesState: false,
  committedIndex: (wal) => wal.lastIndex,
  applyForeign: passOver,
  prepare: async () => (context) => new CommitPipeline(context),
};

/** Opens a node's folder as a store. KV_CORRUPTION, KV_INCOMPATIBLE, KV_UNAVAILABLE (locked). */
export function openLocalStore(options: LocalStoreOptions): Promise<LocalStore> {
  return openStore(options, OWN_LOG);
}

/** As `openLocalStore`, on a log that others have a say in. */
export async function openStore(options: LocalStoreOptions, seam: StoreSeam): Promise<LocalStore> {
  const { env, directory, identity, settings = {} } = options;
  if ((await env.files.stat(directory)) === undefined) {
    await makeDurableDirectory(env.files, directory);
  }
  const resolved = await resolveSettings(env, directory, settings);
  const recovered = await recover({ ...resolved, env, directory, identity, seam });
  try {
    const openCommitter = await seam.prepare(recovered);
    const reserve = new SpaceReserve(env, directory, resolved.reserveSizeBytes);
    await reserve.sample();
    await removePins(env, directory);
    const limits = { ...resolved, directory, onFailure: options.onFailure };
    return new EngineStore(env, recovered, reserve, limits, openCommitter);
  } catch (cause) {
    await recovered.engine.close();
    await recovered.wal.close();
    await recovered.unlock();
    throw cause;
  }
}
