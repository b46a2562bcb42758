import type { User } from '../identities.ts';

/** How policies name an account itself, or a user of one. */
export function principalArn({ account, name, policies }: User): string {
  return `arn:aws:iam::${account.id}:${policies === undefined ? 'root' : `user/${name}`}`;
}
