import type { Env } from '@holdfast/env';
import type { LocalStore, LocalStoreOptions } from '@holdfast/kv';
import { IDENTITY_FILE, openLocalStore } from '@holdfast/kv';
import { refuseMember } from '@holdfast/replica';
import { refuseFolderOfCluster } from './folder-use.ts';
import { refuseImpossibleClock } from './possible-clock.ts';
import { SettingsError } from './settings-error.ts';

/**
 * Opens the data folder of a server that is alone. Errors as of `openLocalStore`, and KV_INCOMPATIBLE for the folder of a node of a
 * cluster, in which nothing is changed. Throws a SettingsError where the clock cannot be right, and for a folder of `holdfast up`.
 */
export async function openLoneStore(options: LocalStoreOptions): Promise<LocalStore> {
  refuseImpossibleClock(options.env.clock);
  await refuseMember(options.env, options.directory);
  await refuseFolderOfCluster(options.env, options.directory);
  return await openLocalStore(options);
}

/** Refuses a folder in which no store is, where a command would make one of a path that was mistyped. Throws a SettingsError. */
export async function requireStore(env: Env, directory: string, or?: string): Promise<void> {
  if ((await env.files.stat(`${directory}/${IDENTITY_FILE}`)) !== undefined) return;
  const advice = `Name its data folder with --data${or === undefined ? '' : `, ${or}`}.`;
  throw new SettingsError(`There is no store in ${directory}. ${advice}`);
}
