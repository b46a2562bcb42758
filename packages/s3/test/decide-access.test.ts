import { expect, test } from 'vitest';
import { cannedAcl, ownerOnly } from '../src/access/acl.ts';
import type { BucketAccess } from '../src/access/bucket-access.ts';
import { type AccessQuestion, mayAccess } from '../src/access/decide-access.ts';
import type { User } from '../src/identities.ts';
import { type Policy, parseBucketPolicy, parseUserPolicy } from '../src/policy/index.ts';

const OWNER = { id: 'owner', displayName: 'Owner' };
const OTHER = { id: 'other', displayName: 'Other' };

const itself = (account: User['account']): User => ({ account, name: account.id });
const user = (account: User['account'], policies: readonly Policy[]): User => ({
  account,
  name: 'user',
  policies,
});

type Effect = 'Allow' | 'Deny';

const own = (Effect: Effect): Policy =>
  parseUserPolicy(JSON.stringify({ Statement: { Effect, Action: 's3:*', Resource: '*' } }));

const ofBucket = (Effect: Effect, Principal: unknown = '*'): Policy =>
  parseBucketPolicy(
    JSON.stringify({
      Statement: { Effect, Principal, Action: 's3:*', Resource: 'arn:aws:s3:::b/*' },
    }),
    'b',
  );

function ask(
  who: User | undefined,
  policy?: Policy,
  more: Partial<AccessQuestion> & { readonly access?: Partial<BucketAccess> } = {},
): boolean {
  const { access, ...question } = more;
  return mayAccess({
    user: who,
    action: 's3:GetObject',
    resource: 'arn:aws:s3:::b/k',
    context: () => undefined,
    ownerId: OWNER.id,
    bucket: {
      ownerId: OWNER.id,
      policy,
      policyIsPublic: false,
      policyReadsAcl: false,
      acl: ownerOnly(OWNER.id),
      ownership: undefined,
      publicAccessBlock: undefined,
      ...access,
    },
    ...question,
  });
}

const allow = ofBucket('Allow');
const deny = ofBucket('Deny');
const toAccount = ofBucket('Allow', { AWS: 'arn:aws:iam::other:root' });
const toUser = ofBucket('Allow', { AWS: 'arn:aws:iam::other:user/user' });
const toOwnUser = ofBucket('Allow', { AWS: 'arn:aws:iam::owner:user/user' });

test.each<[string, User | undefined, Policy | undefined, boolean]>([
  ['the owner has what is its own', itself(OWNER), undefined, true],
  ['the owner is denied by its own policy', itself(OWNER), deny, false],
  ['nobody has nothing', undefined, undefined, false],
  ['nobody has what everybody has', undefined, allow, true],
  ['a stranger has nothing', itself(OTHER), undefined, false],
  ['a stranger has what everybody has', itself(OTHER), allow, true],
  ['a stranger has what its account is given', itself(OTHER), toAccount, true],
  ['a user without a policy has nothing', user(OWNER, []), undefined, false],
  ['a user has what its policies allow', user(OWNER, [own('Allow')]), undefined, true],
  ['a user has what the bucket gives it', user(OWNER, []), toOwnUser, true],
  ['a user is denied by its own policy', user(OWNER, [own('Allow'), own('Deny')]), allow, false],
  ['a denial counts in any order', user(OWNER, [own('Deny'), own('Allow')]), allow, false],
  ['a user is denied by the bucket', user(OWNER, [own('Allow')]), deny, false],
  ['elsewhere a user needs both: the bucket only', user(OTHER, []), toUser, false],
  ['elsewhere a user needs both: everybody', user(OTHER, []), allow, false],
  ['elsewhere a user needs both: its own only', user(OTHER, [own('Allow')]), undefined, false],
  ['elsewhere a user needs both: both', user(OTHER, [own('Allow')]), toUser, true],
  ['elsewhere the account is enough with its own', user(OTHER, [own('Allow')]), toAccount, true],
])('%s', (_name, who, policy, wanted) => {
  expect(ask(who, policy)).toBe(wanted);
});

test('an ACL gives what it grants, unless it is ignored or ACLs are off', () => {
  const acl = cannedAcl('public-read', OWNER.id, OWNER.id) ?? [];
  const grants = { acl, permission: 'READ' } as const;
  expect(ask(undefined, undefined, { grants })).toBe(true);
  expect(ask(itself(OTHER), undefined, { grants })).toBe(true);
  expect(ask(itself(OTHER), deny, { grants })).toBe(false);
  expect(ask(user(OTHER, []), undefined, { grants })).toBe(false);
  expect(ask(undefined, undefined, { grants: { acl, permission: 'WRITE' } })).toBe(false);
  const off = { ownership: 'BucketOwnerEnforced' } as const;
  expect(ask(undefined, undefined, { grants, access: off })).toBe(false);
  const publicAccessBlock = {
    blockPublicAcls: false,
    ignorePublicAcls: true,
    blockPublicPolicy: false,
    restrictPublicBuckets: false,
  };
  expect(ask(undefined, undefined, { grants, access: { publicAccessBlock } })).toBe(false);
});

test('of an object of another account the policy of the bucket denies, and allows nothing', () => {
  const foreign = { ownerId: OTHER.id };
  for (const who of [undefined, itself(OWNER), user(OWNER, [own('Allow')]), user(OTHER, [])]) {
    expect(ask(who, allow, foreign)).toBe(false);
  }
  expect(ask(itself(OTHER), undefined, foreign)).toBe(true);
  expect(ask(user(OTHER, [own('Allow')]), undefined, foreign)).toBe(true);
  expect(ask(itself(OTHER), deny, foreign)).toBe(false);
  const acl = cannedAcl('public-read', OTHER.id, OWNER.id) ?? [];
  const grants = { acl, permission: 'READ' } as const;
  expect(ask(undefined, undefined, { ...foreign, grants })).toBe(true);
  expect(ask(undefined, deny, { ...foreign, grants })).toBe(false);
});

test('nobody but the account itself gets past a denial to the policy', () => {
  const action = 's3:DeleteBucketPolicy';
  expect(ask(itself(OWNER), deny, { action })).toBe(true);
  expect(ask(user(OWNER, [own('Allow')]), deny, { action })).toBe(false);
  expect(ask(itself(OTHER), deny, { action })).toBe(false);
});

test('where it is enough that nobody denies, another account needs no permission, and its own users do', () => {
  const enough = { enoughNotDenied: true };
  expect(ask(itself(OTHER), undefined, enough)).toBe(true);
  expect(ask(itself(OTHER), deny, enough)).toBe(false);
  expect(ask(user(OTHER, [own('Deny')]), undefined, enough)).toBe(false);
  expect(ask(user(OTHER, []), undefined, enough)).toBe(false);
  expect(ask(user(OWNER, []), undefined, enough)).toBe(false);
  expect(ask(itself(OTHER), undefined)).toBe(false);
});
