import type { LocalStore, LocalStoreOptions } from '@holdfast/kv';
import { openLocalStore } from '@holdfast/kv';
import { refuseMember } from '@holdfast/replica';

/**
 * Opens the data folder of a server that is alone. Errors as of `openLocalStore`, and KV_INCOMPATIBLE for the folder of a node of a
 * cluster, in which nothing is changed.
 */
export async function openLoneStore(options: LocalStoreOptions): Promise<LocalStore> {
  await refuseMember(options.env, options.directory);
  return await openLocalStore(options);
}
