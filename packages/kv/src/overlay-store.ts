import { OperatingError } from '@holdfast/bytes';
import type { Env } from '@holdfast/env';
import { FileError } from '@holdfast/env';
import { KvError } from './errors.ts';
import type { LocalStore } from './local-store.ts';
import { openLocalStore } from './local-store.ts';
import { OverlayFiles } from './overlay-files.ts';

const ATTEMPTS = 10;

/** A store on a view that changes nothing on disk. */
export interface OverlayStore {
  readonly store: LocalStore;
  readonly close: () => Promise<void>;
}

/**
 * Opens the store in a folder as a start would, on a view that keeps every change in memory and takes no lock: to look at
 * it, beside a server too. Rejects as `openLocalStore` does.
 *
 * Why again: beside a server files may go while they are opened.
 */
export async function openOverlayStore(env: Env, directory: string): Promise<OverlayStore> {
  for (let attempt = 1; ; attempt++) {
    const files = new OverlayFiles(env.files);
    try {
      await holdMoment(files, directory);
      const settings = { reserveSizeBytes: 0, wal: { preallocate: false } };
      const store = await openLocalStore({ env: { ...env, files }, directory, settings });
      const close = async (): Promise<void> => {
        await store.close();
        await files.close();
      };
      return { store, close };
    } catch (error) {
      await files.close();
      if (!(error instanceof OperatingError)) throw error;
      if (attempt < ATTEMPTS) continue;
      if (!(error instanceof FileError) || error.code !== 'FILE_NOT_FOUND') throw error;
      const message = `files of ${directory} go while they are opened: ask its server, or stop it`;
      throw new KvError('KV_BUSY', message, { cause: error });
    }
  }
}

/**
 * Takes what a server may be writing as it is now. Why in this order: the MANIFEST is written before the log's state, and
 * both after the records that they speak of; so what is taken later reaches at least as far as what was taken before.
 */
export async function holdMoment(files: OverlayFiles, directory: string): Promise<void> {
  const wal = `${directory}/wal`;
  for (const path of [`${wal}/state-a`, `${wal}/state-b`, `${directory}/kv/MANIFEST`]) {
    if ((await files.stat(path)) !== undefined) await files.hold(path);
  }
  const names = await files.freezeNames(wal);
  const newest = names.filter((name) => name.endsWith('.wal')).at(-1);
  if (newest !== undefined) await files.hold(`${wal}/${newest}`);
}
