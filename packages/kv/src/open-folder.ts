import type { Env, FileLock } from '@holdfast/env';
import { FileError } from '@holdfast/env';
import type { OpenedFolder, StoreSeam } from './committer.ts';
import { KvError } from './errors.ts';
import { recover } from './local-recovery.ts';
import type { LocalStoreOptions } from './local-store.ts';
import { OverlayFiles } from './overlay-files.ts';
import { resolveSettings } from './store-settings.ts';

export interface ClosableFolder extends OpenedFolder {
  /** Gives the folder back. */
  close(): Promise<void>;
}

/**
 * Opens a node's folder as a start does, with no store on it: for what is done to a node that is stopped. Errors as of
 * `openLocalStore`.
 */
export async function openFolder(
  { env, directory, identity, settings = {} }: LocalStoreOptions,
  seam: Pick<StoreSeam, 'committedIndex' | 'applyForeign' | 'hashesState'>,
): Promise<ClosableFolder> {
  const resolved = await resolveSettings(env, directory, settings);
  const { unlock, ...folder } = await recover({ ...resolved, env, directory, identity, seam });
  const close = async (): Promise<void> => {
    try {
      await folder.engine.close();
      await folder.wal.close();
    } finally {
      await unlock();
    }
  };
  return { ...folder, close };
}

/**
 * As `openFolder`, on a view that changes nothing on disk. The folder is locked meanwhile, where it takes a lock: a server
 * on it would change it. KV_UNAVAILABLE where there is one.
 */
export async function viewFolder(
  options: LocalStoreOptions,
  seam: Pick<StoreSeam, 'committedIndex' | 'applyForeign' | 'hashesState'>,
): Promise<ClosableFolder> {
  const { env, directory } = options;
  const lock = await lockStopped(env, directory);
  const files = new OverlayFiles(env.files);
  const release = async (): Promise<void> => {
    await files.close();
    await lock?.release();
  };
  try {
    const folder = await openFolder({ ...options, env: { ...env, files } }, seam);
    const close = async (): Promise<void> => {
      await folder.close();
      await release();
    };
    return { ...folder, close };
  } catch (cause) {
    await release();
    throw cause;
  }
}

/**
 * Nobody may write to a folder meanwhile: what is read here and there would not fit together. KV_UNAVAILABLE where
 * a process has it open; undefined where the folder takes no lock, as on a volume that is mounted to be read only.
 */
export async function lockStopped(env: Env, directory: string): Promise<FileLock | undefined> {
  try {
    return await env.files.lock(`${directory}/LOCK`);
  } catch (cause) {
    if (!(cause instanceof FileError)) throw cause;
    if (cause.code !== 'FILE_LOCKED') return undefined;
    const message = `another process has ${directory} open; stop it first`;
    throw new KvError('KV_UNAVAILABLE', message, { cause });
  }
}
