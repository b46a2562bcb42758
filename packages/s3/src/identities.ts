import type { Policy } from './policy/index.ts';

/** Somebody who owns buckets and objects. */
export interface Account {
  /** S3's canonical id: what `<Owner><ID>` shows. */
  readonly id: string;
  readonly displayName: string;
}

/** Who an access key stands for. */
export interface User {
  /** The account whose buckets are the user's own. */
  readonly account: Account;
  /** `aws:username`; the account's id for the account itself. */
  readonly name: string;
  /** What the user may do; absent for the account itself, which may do everything with what it owns. */
  readonly policies?: readonly Policy[];
}

/** An access key that exists. */
export interface AccessKey {
  readonly secretAccessKey: string;
  readonly user: User;
}

/** Everybody whom the server knows. Asked on every request, so a removed key stops at once. */
export interface Identities {
  readonly findKey: (accessKeyId: string) => AccessKey | undefined;
  /** By canonical id. */
  readonly findAccount: (id: string) => Account | undefined;
  /** By e-mail address, for grants that name one. */
  readonly findAccountByEmail: (email: string) => Account | undefined;
}
