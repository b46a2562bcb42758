import type { AccessKey, Account, Identities } from '@holdfast/s3';
import type { UserDirectory } from './user-directory.ts';

/** Whoever the server knows at the moment: a directory that can be replaced by a newer one. */
export class CurrentUsers implements Identities {
  #directory: UserDirectory | undefined;

  /** Whether anybody is known yet. */
  get isLoaded(): boolean {
    return this.#directory !== undefined;
  }

  replace(directory: UserDirectory): void {
    this.#directory = directory;
  }

  readonly findKey = (accessKeyId: string): AccessKey | undefined =>
    this.#directory?.findKey(accessKeyId);
  readonly findAccount = (id: string): Account | undefined => this.#directory?.findAccount(id);
  readonly findAccountByEmail = (email: string): Account | undefined =>
    this.#directory?.findAccountByEmail(email);
}
