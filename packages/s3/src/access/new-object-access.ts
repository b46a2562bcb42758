import type { ObjectAccess } from '@holdfast/objects';
import type { S3Call } from '../s3-call.ts';
import { S3Error } from '../s3-error.ts';
import { type Acl, encodeAcl, isPublicAcl, ownerOnly, sameAcl } from './acl.ts';
import { hasAclHeaders, readAclHeaders } from './acl-headers.ts';
import type { OpenBucket } from './authorize.ts';

/** The owner of what somebody wrote who did not sign. Source: AWS shows the same. */
export const ANONYMOUS_ID = '65a011a29cdf8ec533ec3d1ccaae921c';

/**
 * Owner and ACL of an object that the request writes, as ownership controls and headers say.
 *
 * Source: Amazon S3 User Guide, "Controlling ownership of objects and disabling ACLs for your bucket".
 *
 * @throws S3Error AccessControlListNotSupported, AccessDenied (public access block), …
 */
export function newObjectAccess(call: S3Call, { bucket, access }: OpenBucket): ObjectAccess {
  const canned = call.headers.get('x-amz-acl');
  if (access.ownership === 'BucketOwnerEnforced') {
    refuseAcl(call, bucket.ownerId);
    return {};
  }
  if (access.ownership === 'BucketOwnerPreferred' && canned === 'bucket-owner-full-control') {
    return {};
  }
  const ownerId = call.user?.account.id ?? ANONYMOUS_ID;
  const acl = readAclHeaders(call, { ownerId, bucketOwnerId: bucket.ownerId });
  if (acl !== undefined) refusePublicAcl(access.publicAccessBlock, acl);
  return storedAccess(acl, ownerId, bucket.ownerId);
}

/** What is stored of an owner and an ACL: nothing of what goes without saying. */
export function storedAccess(
  acl: Acl | undefined,
  ownerId: string,
  bucketOwnerId: string,
): ObjectAccess {
  const plain = acl === undefined || sameAcl(acl, ownerOnly(ownerId));
  return {
    ...(ownerId !== bucketOwnerId && { ownerId }),
    ...(!plain && { acl: encodeAcl(acl) }),
  };
}

/** @throws S3Error AccessDenied where public ACLs are blocked */
export function refusePublicAcl(
  block: { readonly blockPublicAcls: boolean } | undefined,
  acl: Acl,
): void {
  if (block?.blockPublicAcls === true && isPublicAcl(acl)) throw new S3Error('AccessDenied');
}

/** Where ACLs are off, only what changes nothing may be asked for. */
function refuseAcl(call: S3Call, bucketOwnerId: string): void {
  if (!hasAclHeaders(call)) return;
  const canned = call.headers.get('x-amz-acl');
  if (canned === 'bucket-owner-full-control') return;
  // Why not refused, as S3 does: many clients send it always, and from the owner it says what is so already.
  if (canned === 'private' && call.user?.account.id === bucketOwnerId) return;
  throw new S3Error('AccessControlListNotSupported');
}
