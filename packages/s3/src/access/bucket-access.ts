import type { Bucket } from '@holdfast/objects';
import { isPublicPolicy, type Policy, parseBucketPolicy } from '../policy/index.ts';
import { type Acl, decodeAcl, ownerOnly } from './acl.ts';

export type ObjectOwnership = 'BucketOwnerEnforced' | 'BucketOwnerPreferred' | 'ObjectWriter';

export interface PublicAccessBlock {
  readonly blockPublicAcls: boolean;
  readonly ignorePublicAcls: boolean;
  readonly blockPublicPolicy: boolean;
  readonly restrictPublicBuckets: boolean;
}

/** What a bucket's settings say about who may do what. */
export interface BucketAccess {
  readonly ownerId: string;
  readonly policy: Policy | undefined;
  readonly policyIsPublic: boolean;
  /** Whether the policy asks for the ACL that a write says. */
  readonly policyReadsAcl: boolean;
  readonly acl: Acl;
  /** undefined where none is set: then each writer owns what it writes. */
  readonly ownership: ObjectOwnership | undefined;
  readonly publicAccessBlock: PublicAccessBlock | undefined;
}

/** Names of the settings of a bucket that say who may do what. */
export const ACCESS_SETTINGS = {
  policy: 'policy',
  acl: 'acl',
  ownership: 'ownership',
  publicAccessBlock: 'public-access-block',
} as const;

/** The settings of a bucket that nobody asked anything of: ACLs off, as S3 makes them, or on. */
export function defaultBucketSettings(bucketAcls: boolean): ReadonlyMap<string, string> {
  return new Map(bucketAcls ? [] : [[ACCESS_SETTINGS.ownership, 'BucketOwnerEnforced']]);
}

/** Reads settings, and remembers what it read as long as the settings themselves are remembered. */
export class BucketAccessReader {
  readonly #read = new WeakMap<ReadonlyMap<string, string>, BucketAccess>();

  of(bucket: Bucket): BucketAccess {
    const known = this.#read.get(bucket.settings);
    if (known !== undefined) return known;
    const access = readBucketAccess(bucket);
    this.#read.set(bucket.settings, access);
    return access;
  }
}

/** Not by the text of the policy: it may be in the name of a statement, and a letter of it may be an escape. */
function readsAcl({ conditions }: Policy['statements'][number]): boolean {
  return conditions.some(({ key }) => /^s3:x-amz-(acl$|grant-)/i.test(key));
}

function readBucketAccess({ name, ownerId, settings }: Bucket): BucketAccess {
  const policyText = settings.get(ACCESS_SETTINGS.policy);
  const policy = policyText === undefined ? undefined : parseBucketPolicy(policyText, name);
  const acl = settings.get(ACCESS_SETTINGS.acl);
  const block = settings.get(ACCESS_SETTINGS.publicAccessBlock);
  return {
    ownerId,
    policy,
    policyIsPublic: policy !== undefined && isPublicPolicy(policy),
    policyReadsAcl: policy?.statements.some(readsAcl) === true,
    acl: acl === undefined ? ownerOnly(ownerId) : decodeAcl(acl),
    ownership: settings.get(ACCESS_SETTINGS.ownership) as ObjectOwnership | undefined,
    publicAccessBlock: block === undefined ? undefined : (JSON.parse(block) as PublicAccessBlock),
  };
}
