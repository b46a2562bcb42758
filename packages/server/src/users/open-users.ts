import { isDeepStrictEqual } from 'node:util';
import type { Env } from '@holdfast/env';
import { KvError, type KvStore } from '@holdfast/kv';
import type { Credentials } from '../credentials.ts';
import type { AgreedKeys } from '../keys/agreed-keys.ts';
import { readMasterKeys } from '../keys/master-key-file.ts';
import type { InitContent } from './init-file.ts';
import { SecretBox } from './secret-box.ts';
import { UserDirectory } from './user-directory.ts';
import { type UserRecord, userRecord } from './user-record.ts';
import { addUsers, hasUsers, loadUsers, storeUsers, usersVersion } from './user-store.ts';

export interface OpenUsersOptions {
  readonly env: Env;
  readonly directory: string;
  readonly kv: KvStore;
  /** The pair of the account that the server itself is. */
  readonly credentials: Credentials;
  /** That account's id and name. */
  readonly owner: { readonly id: string; readonly displayName: string };
  readonly init: InitContent | undefined;
  readonly masterKeyPath: string | undefined;
  /** Of a node of a cluster, where no key is made, and the leader seals anew what older keys sealed. */
  readonly agreedKeys?: AgreedKeys | undefined;
}

/**
 * Everybody whom the server knows: itself, the users that are stored, and those of the init file, which are stored now
 * in place of what was stored of them, where it is something else. The master key is made when the first user is.
 */
export async function openUsers(options: OpenUsersOptions): Promise<UserDirectory> {
  const { kv, credentials, owner, init } = options;
  const itself: UserRecord = {
    id: owner.id,
    displayName: owner.displayName,
    email: undefined,
    accountId: owner.id,
    keys: [{ accessKey: credentials.accessKeyId, secretKey: credentials.secretAccessKey }],
    policies: undefined,
  };
  let wanted = (init?.users ?? []).map((user) => userRecord(user, owner.id));
  const stored = await hasUsers(kv);
  if (!stored && wanted.length === 0) return new UserDirectory([itself]);
  const box = await openBox(options, !stored);
  const { agreedKeys } = options;
  const { stillSeals } = agreedKeys?.agreed ?? {};
  for (;;) {
    const version = await usersVersion(kv);
    const names = new Set(wanted.map(({ id }) => id));
    const before = await loadUsers(kv, box);
    const kept = before.filter(({ id }) => !names.has(id));
    // Before anything is stored: what cannot be told apart is refused.
    const users = new UserDirectory([itself, ...kept, ...wanted]);
    // After a rotation: so that the older master keys are no longer needed.
    if (box.openedOlder && agreedKeys === undefined) await storeUsers(kv, box, kept);
    // Why not all of them: a start on a full volume, with the file of the last one, has no room to ask for.
    const changed = box.openedOlder ? wanted : wanted.filter((user) => !isStored(user, before));
    const { stored: added, failed } = await addUsers(kv, box, changed, version, stillSeals);
    if (failed === undefined) return users;
    if (failed === 'stillSeals') {
      throw new KvError('KV_BUSY', 'the present master key was changed while users were stored');
    }
    // Another node has stored users meanwhile: they may have access keys of those that are left.
    const done = new Set(changed.slice(0, added));
    wanted = wanted.filter((user) => !done.has(user));
  }
}

function isStored(user: UserRecord, stored: readonly UserRecord[]): boolean {
  return stored.some((each) => isDeepStrictEqual(each, user));
}

async function openBox(
  { env, directory, masterKeyPath: path, agreedKeys }: OpenUsersOptions,
  mayMake: boolean,
): Promise<SecretBox> {
  if (agreedKeys !== undefined) return agreedKeys.secretBox(env.random);
  return new SecretBox(await readMasterKeys({ env, directory, path }, mayMake), env.random);
}
