import type { AccessKey, Account, Identities } from '@holdfast/s3';
import { parseUserPolicy } from '@holdfast/s3';
import { SettingsError } from '../settings-error.ts';
import type { UserRecord } from './user-record.ts';

/** Everybody who has an access key, in memory. */
export class UserDirectory implements Identities {
  readonly #keys = new Map<string, AccessKey>();
  readonly #accounts = new Map<string, Account>();
  readonly #emails = new Map<string, Account>();

  /** Throws a SettingsError where two users have one access key. */
  constructor(users: readonly UserRecord[]) {
    for (const user of users) {
      if (user.policies === undefined) this.#addAccount(user);
    }
    for (const user of users) this.#addKeys(user);
  }

  readonly findKey = (accessKeyId: string): AccessKey | undefined => this.#keys.get(accessKeyId);
  readonly findAccount = (id: string): Account | undefined => this.#accounts.get(id);
  readonly findAccountByEmail = (email: string): Account | undefined =>
    this.#emails.get(email.toLowerCase());

  #addAccount({ id, displayName, email }: UserRecord): void {
    const account = { id, displayName };
    this.#accounts.set(id, account);
    if (email !== undefined) this.#emails.set(email.toLowerCase(), account);
  }

  #addKeys({ id, accountId, keys, policies }: UserRecord): void {
    const account = this.#accounts.get(accountId) ?? { id: accountId, displayName: accountId };
    const user = {
      account,
      name: id,
      ...(policies !== undefined && { policies: policies.map(parseUserPolicy) }),
    };
    for (const { accessKey, secretKey } of keys) {
      if (this.#keys.has(accessKey)) {
        throw new SettingsError(`Two users have the access key ${accessKey}.`);
      }
      this.#keys.set(accessKey, { secretAccessKey: secretKey, user });
    }
  }
}
