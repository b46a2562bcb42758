import { concatBytes, fromUtf8, prefixEnd, utf8 } from '@holdfast/bytes';
import type { Condition, KvEntry, KvStore } from '@holdfast/kv';
import { SettingsError } from '../settings-error.ts';
import type { SecretBox } from './secret-box.ts';
import type { UserRecord } from './user-record.ts';

/** Key space of users in the KvStore: this byte, then the user's id. `docs/formats/keys.md` lists them all. */
const USER_SPACE = Uint8Array.of(0x60);

/** Users that are read in one step. */
const PAGE = 200;

/** As it is stored: JSON, secrets sealed. */
interface StoredUser {
  readonly version: 1;
  readonly id: string;
  readonly displayName: string;
  readonly email?: string;
  readonly accountId: string;
  readonly keys: readonly { readonly accessKey: string; readonly sealed: string }[];
  readonly policies?: readonly string[];
}

/** Whether any user is stored. */
export async function hasUsers(kv: KvStore): Promise<boolean> {
  const { entries } = await kv.scan({ ...range(USER_SPACE), limit: 1, values: false });
  return entries.length > 0;
}

/** All users, their secrets opened. Throws a SettingsError where the master key is another. */
export async function loadUsers(kv: KvStore, box: SecretBox): Promise<UserRecord[]> {
  const users: UserRecord[] = [];
  let { from, to } = range(USER_SPACE);
  for (;;) {
    const page = await kv.scan({ from, to, limit: PAGE });
    for (const { key, value } of page.entries) {
      users.push(openUser(JSON.parse(fromUtf8(value)) as StoredUser, box));
      from = concatBytes([key, Uint8Array.of(0)]);
    }
    if (!page.more) return users;
  }
}

/** Which users are stored, and at which version each. */
export async function userVersions(kv: KvStore): Promise<KvEntry[]> {
  const all: KvEntry[] = [];
  let { from, to } = range(USER_SPACE);
  for (;;) {
    const page = await kv.scan({ from, to, limit: PAGE, values: false });
    all.push(...page.entries);
    const last = page.entries.at(-1);
    if (!page.more || last === undefined) return all;
    from = concatBytes([last.key, Uint8Array.of(0)]);
  }
}

/** Stores users, one transaction each: durable when it resolves. Whether `conditions` held for all. */
export async function storeUsers(
  kv: KvStore,
  box: SecretBox,
  users: readonly UserRecord[],
  conditions: readonly Condition[] = [],
): Promise<boolean> {
  for (const user of users) {
    const key = concatBytes([USER_SPACE, utf8(user.id)]);
    const value = utf8(JSON.stringify(sealUser(user, box)));
    const operations = [{ kind: 'put', key, value }] as const;
    if (!(await kv.transact({ conditions, operations })).committed) return false;
  }
  return true;
}

/**
 * Seals with the first key of the box what another sealed, where the user is still as it was read. Whether every secret
 * is sealed with it: not where a user was changed meanwhile, or `stillSeals` does not hold.
 */
export async function resealUsers(
  kv: KvStore,
  box: SecretBox,
  stillSeals: Condition,
): Promise<boolean> {
  for (const { key } of await userVersions(kv)) {
    const entry = await kv.get(key);
    if (entry === undefined) continue;
    const user = openUser(JSON.parse(fromUtf8(entry.value)) as StoredUser, box);
    if (!box.openedOlder) continue;
    const asRead = { kind: 'versionEquals', key, version: entry.version } as const;
    if (!(await storeUsers(kv, box, [user], [asRead, stillSeals]))) return false;
  }
  return true;
}

function sealUser(user: UserRecord, box: SecretBox): StoredUser {
  const { id, displayName, email, accountId, policies } = user;
  return {
    version: 1,
    id,
    displayName,
    ...(email !== undefined && { email }),
    accountId,
    keys: user.keys.map(({ accessKey, secretKey }) => ({
      accessKey,
      sealed: box.seal(secretKey, sealOwner(id, accessKey)),
    })),
    ...(policies !== undefined && { policies }),
  };
}

function openUser(stored: StoredUser, box: SecretBox): UserRecord {
  const { id, displayName, email, accountId, policies, version } = stored;
  if (version !== 1) {
    throw new SettingsError(`User ${id} was stored by a newer Holdfast: start a newer one.`);
  }
  const keys = stored.keys.map(({ accessKey, sealed }) => ({
    accessKey,
    secretKey: box.open(sealed, sealOwner(id, accessKey)),
  }));
  return { id, displayName, email, accountId, keys, policies };
}

function sealOwner(userId: string, accessKey: string): string {
  return JSON.stringify([userId, accessKey]);
}

function range(prefix: Uint8Array): { from: Uint8Array; to: Uint8Array } {
  return { from: prefix, to: prefixEnd(prefix) as Uint8Array };
}
