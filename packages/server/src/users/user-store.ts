import { concatBytes, fromUtf8, prefixEnd, utf8 } from '@holdfast/bytes';
import type { Condition, KvEntry, KvStore, Operation } from '@holdfast/kv';
import { SettingsError } from '../settings-error.ts';
import type { SecretBox } from './secret-box.ts';
import type { UserRecord } from './user-record.ts';

/** Key space of users in the KvStore: this byte, then the user's id. `docs/formats/keys.md` lists them all. */
const USER_SPACE = Uint8Array.of(0x60);

/** Written with each user that an init file stores: whoever read all users before that has to read them again. */
const LAST_STORED = Uint8Array.of(0x64);

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

/** The version that `addUsers` asks for; to be read before the users are. */
export async function usersVersion(kv: KvStore): Promise<number | undefined> {
  return (await kv.get(LAST_STORED))?.version;
}

/**
 * Stores users, one transaction each, as long as no other node stores any: how many of them, and which condition did not hold
 * for the next. Durable when it resolves.
 *
 * Safety: two users may not have one access key, which no single record can tell. So each transaction asks that all users are
 * still those of `version`, among which the caller found no other one with a key of these.
 */
export async function addUsers(
  kv: KvStore,
  box: SecretBox,
  users: readonly UserRecord[],
  version: number | undefined,
  stillSeals: Condition | undefined,
): Promise<{ readonly stored: number; readonly failed?: 'version' | 'stillSeals' }> {
  let last = version;
  for (const [stored, user] of users.entries()) {
    const asRead: Condition =
      last === undefined
        ? { kind: 'absent', key: LAST_STORED }
        : { kind: 'versionEquals', key: LAST_STORED, version: last };
    const result = await kv.transact({
      conditions: stillSeals === undefined ? [asRead] : [asRead, stillSeals],
      operations: [putUser(user, box), { kind: 'put', key: LAST_STORED, value: utf8('1') }],
    });
    if (!result.committed) {
      return { stored, failed: result.failedCondition === 0 ? 'version' : 'stillSeals' };
    }
    last = result.revision;
  }
  return { stored: users.length };
}

/** Stores users whose access keys stay what they are, one transaction each: durable when it resolves. Whether `conditions` held for all. */
export async function storeUsers(
  kv: KvStore,
  box: SecretBox,
  users: readonly UserRecord[],
  conditions: readonly Condition[] = [],
): Promise<boolean> {
  for (const user of users) {
    const operations = [putUser(user, box)];
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

function putUser(user: UserRecord, box: SecretBox): Operation {
  const key = concatBytes([USER_SPACE, utf8(user.id)]);
  return { kind: 'put', key, value: utf8(JSON.stringify(sealUser(user, box))) };
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
