import type { Account, Identities, User } from '../src/index.ts';

/** A user of a test's server, with its access key. */
export interface TestUser extends User {
  readonly email?: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** Everybody whom a test's server knows. */
export function identitiesOf(users: readonly TestUser[]): Identities {
  const find = (is: (user: TestUser) => boolean): TestUser | undefined => users.find(is);
  return {
    findKey: (accessKeyId) => {
      const user = find((one) => one.accessKeyId === accessKeyId);
      return user && { secretAccessKey: user.secretAccessKey, user };
    },
    findAccount: (id): Account | undefined => find(({ account }) => account.id === id)?.account,
    findAccountByEmail: (email) => find((one) => one.email === email)?.account,
  };
}
