import type { Env } from '@holdfast/env';
import { IDENTITY_FILE } from '@holdfast/kv';
import { SettingsError } from './settings-error.ts';

/** In the folder of a cluster that `holdfast up` runs: the ports of its nodes. */
export const PORTS_FILE = 'ports.json';

/**
 * Refuses the folder of `holdfast up` to a single server. Why: it would begin an empty store in it, with the key pair of the cluster,
 * as if everything were lost. A folder that has been both goes on as both. Throws a SettingsError.
 */
export async function refuseFolderOfCluster(env: Env, directory: string): Promise<void> {
  if (!(await hasOnly(env, directory, PORTS_FILE, IDENTITY_FILE))) return;
  throw new SettingsError(
    `${directory} is the folder of a cluster: start it with "holdfast up", or name another folder with --data.`,
  );
}

/** The same, the other way round. */
export async function refuseFolderOfStore(env: Env, directory: string): Promise<void> {
  if (!(await hasOnly(env, directory, IDENTITY_FILE, PORTS_FILE))) return;
  throw new SettingsError(
    `${directory} is the data folder of a single server, which does not become a cluster: name another folder with --data, ` +
      'and copy the objects over with an S3 client.',
  );
}

async function hasOnly(
  env: Env,
  directory: string,
  wanted: string,
  other: string,
): Promise<boolean> {
  const has = async (name: string): Promise<boolean> =>
    (await env.files.stat(`${directory}/${name}`)) !== undefined;
  return (await has(wanted)) && !(await has(other));
}
