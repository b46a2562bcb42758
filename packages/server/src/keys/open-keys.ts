import type { Env } from '@holdfast/env';
import type { KvStore } from '@holdfast/kv';
import { SettingsError } from '../settings-error.ts';
import { AgreedKeys } from './agreed-keys.ts';
import { MASTER_KEY_ID } from './key-agreement.ts';
import { KeyRing } from './key-ring.ts';
import { listUse, type UsedKey } from './key-usage.ts';
import { findMasterKeys, masterKeyPath, readMasterKeys } from './master-key-file.ts';
import { readNamedKeys } from './named-key-file.ts';

export interface OpenKeysOptions {
  readonly env: Env;
  readonly directory: string;
  readonly kv: KvStore;
  readonly masterKeyPath: string | undefined;
  /** File of the keys for SSE-KMS; undefined for none. */
  readonly namedKeyPath: string | undefined;
}

export interface KeyRings {
  readonly masterKeys: KeyRing | AgreedKeys;
  readonly namedKeys: KeyRing | undefined;
}

/** Of a node of a cluster. */
export interface ClusterKeys extends KeyRings {
  readonly masterKeys: AgreedKeys;
}

/** What the keys in use are, beside those of the files. */
export interface KeyUse {
  /** Versions that sealed data keys and are no longer the present ones. */
  readonly outdated: readonly UsedKey[];
  /** Named versions that sealed data keys and are in no file: what they sealed cannot be read. */
  readonly missing: readonly UsedKey[];
}

export type OpenKeys = KeyRings & KeyUse;

/**
 * The keys of the two files. Where no file is named for it, the master key is made when the first data key is. Throws a
 * SettingsError where a file that is named cannot be used, or a master key is gone with which data keys are sealed: better no
 * server than one that cannot read.
 */
export async function openKeys(options: OpenKeysOptions): Promise<OpenKeys> {
  const used = await listUse(options.kv);
  const mayMake = !used.some(({ kind }) => kind === 'master');
  const { env, kv, directory, masterKeyPath: path } = options;
  const place = { env, directory, path };
  const masterKeys = new KeyRing({
    env,
    kv,
    kind: 'master',
    defaultKeyId: MASTER_KEY_ID,
    load: async () => new Map([[MASTER_KEY_ID, await readMasterKeys(place, mayMake)]]),
  });
  // A file that the operator names is read at once: else the first request that needs it would find that it is not there.
  if (path !== undefined) await masterKeys.fingerprints(MASTER_KEY_ID);
  const rings = { masterKeys, namedKeys: await openNamedKeys(options, true) };
  return { ...rings, ...(await compare(options, rings, used)) };
}

/**
 * The same for a node of a cluster, without a look into the store, which it can take only when it has a leader. No key is made:
 * the others would not have it.
 */
export async function openClusterKeys(options: OpenKeysOptions): Promise<ClusterKeys> {
  const { env, directory, masterKeyPath: path } = options;
  const place = { env, directory, path };
  return {
    masterKeys: new AgreedKeys(env, masterKeyPath(place), await findMasterKeys(place)),
    // Why not sealed anew: the nodes agree on versions of the master key only.
    namedKeys: await openNamedKeys(options, false),
  };
}

async function openNamedKeys(
  { env, kv, namedKeyPath }: OpenKeysOptions,
  rewraps: boolean,
): Promise<KeyRing | undefined> {
  if (namedKeyPath === undefined) return undefined;
  const { keys, defaultKeyId } = await readNamedKeys(env, namedKeyPath);
  return new KeyRing({ env, kv, kind: 'named', defaultKeyId, rewraps, load: async () => keys });
}

/** The look into the store. Throws as `openKeys` does. */
export async function compareKeys(options: OpenKeysOptions, rings: KeyRings): Promise<KeyUse> {
  return compare(options, rings, await listUse(options.kv));
}

async function compare(
  { env, directory, masterKeyPath: path }: OpenKeysOptions,
  { masterKeys, namedKeys }: KeyRings,
  used: readonly UsedKey[],
): Promise<KeyUse> {
  const place = { env, directory, path };
  const outdated: UsedKey[] = [];
  const missing: UsedKey[] = [];
  for (const one of used) {
    const ring = one.kind === 'master' ? masterKeys : namedKeys;
    const known = (await ring?.fingerprints(one.keyId)) ?? [];
    const at = known.indexOf(one.fingerprint);
    if (at > 0) outdated.push(one);
    if (at >= 0) continue;
    if (one.kind === 'master') throw masterKeyIsGone(masterKeyPath(place), one);
    missing.push(one);
  }
  return { outdated, missing };
}

function masterKeyIsGone(path: string, { fingerprint }: UsedKey): SettingsError {
  return new SettingsError(
    `The master key ${fingerprint} is not in ${path}, and objects are sealed with it. ` +
      'Put it back, on a line after the present key, or give its file with --master-key-file.',
  );
}
