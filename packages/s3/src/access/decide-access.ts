import type { User } from '../identities.ts';
import {
  evaluatePolicies,
  type PolicyRequest,
  type Principal,
  type Verdict,
} from '../policy/index.ts';
import { type Acl, aclAllows, type Permission } from './acl.ts';
import type { BucketAccess } from './bucket-access.ts';

/** One question: may somebody do this? */
export interface AccessQuestion {
  /** undefined where nobody signed. */
  readonly user: User | undefined;
  /** Such as `s3:GetObject`. */
  readonly action: string;
  /** Such as `arn:aws:s3:::bucket/key`. */
  readonly resource: string;
  readonly context: PolicyRequest['context'];
  readonly bucket: BucketAccess;
  /** Whose the resource is: the bucket's owner, or the object's. */
  readonly ownerId: string;
  /** From another account it is enough that the bucket's policy does not deny it. */
  readonly enoughNotDenied?: boolean | undefined;
  /** The grants that are asked, and what they must grant; absent where ACLs do not count. */
  readonly grants?: { readonly acl: Acl; readonly permission: Permission } | undefined;
}

/**
 * What is done with the policy itself. The owner of the bucket may always do it, so that a policy can never lock everybody out, and no
 * other account, whatever the policy allows.
 */
export const POLICY_ACTIONS: ReadonlySet<string> = new Set([
  's3:GetBucketPolicy',
  's3:PutBucketPolicy',
  's3:DeleteBucketPolicy',
]);

/**
 * Decides one question. Pure.
 *
 * 1. A statement that denies, of the bucket's policy or the user's own, ends it.
 * 2. Within the owner's account it is enough that the user's policies or the bucket's policy allow.
 * 3. From another account both must: the user's own policies, and the bucket's policy or an ACL.
 * 4. Who did not sign needs the bucket's policy or an ACL.
 * 5. Of an object of another account than the bucket's, which there is where ACLs are on, the bucket's policy denies, and
 *    allows nothing.
 *
 * Source: IAM user guide, "Policy evaluation logic"; Amazon S3 User Guide, "How Amazon S3 authorizes a request".
 */
export function mayAccess(question: AccessQuestion): boolean {
  const { user, ownerId } = question;
  const request = policyRequest(question);
  const bucketSays = askBucket(question, request);
  const userSays = askUser(user, request);
  const owns = user !== undefined && user.account.id === ownerId;
  if (bucketSays === 'deny' || userSays === 'deny') {
    const ownerItself = owns && user.policies === undefined;
    return ownerItself && POLICY_ACTIONS.has(question.action);
  }
  const granted =
    question.enoughNotDenied === true ||
    bucketSays === 'allow' ||
    bucketSays === 'delegate' ||
    askGrants(question);
  if (user === undefined) return granted;
  if (owns) return userSays === 'allow' || bucketSays === 'allow';
  return userSays === 'allow' && granted;
}

/** Whether a user may do something that concerns no bucket that is there: list all, make one. */
export function mayOutside(
  user: User | undefined,
  request: Pick<PolicyRequest, 'action' | 'resource' | 'context'>,
): boolean {
  return askUser(user, { ...request, principal: principalOf(user) }) === 'allow';
}

function policyRequest({ user, action, resource, context }: AccessQuestion): PolicyRequest {
  return { principal: principalOf(user), action, resource, context };
}

function principalOf(user: User | undefined): Principal | undefined {
  if (user === undefined) return undefined;
  return { accountId: user.account.id, name: user.name, root: user.policies === undefined };
}

function askBucket({ bucket, user, ownerId }: AccessQuestion, request: PolicyRequest): Verdict {
  const { policy, policyIsPublic, publicAccessBlock } = bucket;
  if (policy === undefined) return 'silent';
  const verdict = evaluatePolicies([policy], request);
  if (verdict === 'deny') return verdict;
  // Source: Amazon S3 User Guide, "Bucket policies": they do not apply to objects that other accounts own.
  if (ownerId !== bucket.ownerId) return 'silent';
  const restricted = policyIsPublic && publicAccessBlock?.restrictPublicBuckets === true;
  return restricted && user?.account.id !== bucket.ownerId ? 'silent' : verdict;
}

/** An account itself may do everything that the other side allows. */
function askUser(user: User | undefined, request: PolicyRequest): Verdict {
  if (user === undefined) return 'silent';
  return user.policies === undefined ? 'allow' : evaluatePolicies(user.policies, request);
}

function askGrants({ user, bucket, grants }: AccessQuestion): boolean {
  if (grants === undefined || bucket.ownership === 'BucketOwnerEnforced') return false;
  const ignorePublic = bucket.publicAccessBlock?.ignorePublicAcls === true;
  return aclAllows(grants.acl, user?.account.id, grants.permission, { ignorePublic });
}
