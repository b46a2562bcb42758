/** An access key as an operator writes it down. */
export interface KeyInput {
  readonly accessKey: string;
  readonly secretKey: string;
}

/** A user as an operator writes it down. */
export interface UserInput {
  /** S3's canonical id, and `aws:username`. */
  readonly id: string;
  readonly displayName?: string | undefined;
  readonly email?: string | undefined;
  /** The account whose buckets are the user's own; only with policies. Default: the server's. */
  readonly account?: string | undefined;
  readonly accessKey?: string | undefined;
  readonly secretKey?: string | undefined;
  /** Further access keys. */
  readonly keys?: readonly KeyInput[] | undefined;
  /** Policy documents. Without any the user is an account by itself. */
  readonly policies?: readonly Readonly<Record<string, unknown>>[] | undefined;
}

/** All access keys of a user that was written down. */
export function keysOf({ accessKey, secretKey, keys = [] }: UserInput): readonly KeyInput[] {
  if (accessKey === undefined || secretKey === undefined) return keys;
  return [{ accessKey, secretKey }, ...keys];
}

/** A user and its access keys, secrets in the open: in memory only. */
export interface UserRecord {
  readonly id: string;
  readonly displayName: string;
  readonly email: string | undefined;
  /** Whose buckets are the user's own: its own id for a user that is an account. */
  readonly accountId: string;
  readonly keys: readonly KeyInput[];
  /** Absent: the account itself, which may do everything with what it owns. */
  readonly policies: readonly string[] | undefined;
}

/**
 * The record of a user that was written down. A user with policies and without an account acts in `defaultAccount`;
 * one without policies is an account.
 */
export function userRecord(user: UserInput, defaultAccount: string): UserRecord {
  const { id, displayName = id, email, policies } = user;
  return {
    id,
    displayName,
    email,
    accountId: policies === undefined ? id : (user.account ?? defaultAccount),
    keys: keysOf(user),
    policies: policies?.map((document) => JSON.stringify(document)),
  };
}
