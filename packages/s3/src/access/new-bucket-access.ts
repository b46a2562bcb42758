import type { S3Call } from '../s3-call.ts';
import { S3Error } from '../s3-error.ts';
import { type Acl, encodeAcl, ownerOnly, sameAcl } from './acl.ts';
import { readAclHeaders } from './acl-headers.ts';
import { ACCESS_SETTINGS } from './bucket-access.ts';
import { readOwnership } from './object-ownership.ts';

/** Ownership controls and ACL of a bucket that the request makes. */
export interface NewBucketAccess {
  readonly acl: Acl;
  readonly settings: ReadonlyMap<string, string>;
}

/**
 * Reads `x-amz-object-ownership`, `x-amz-acl` and `x-amz-grant-*`. Without the first a bucket is as the server makes
 * them: ACLs off, as S3 does, unless it was told otherwise.
 *
 * @throws S3Error InvalidArgument, InvalidBucketAclWithObjectOwnership, …
 */
export function newBucketAccess(call: S3Call, ownerId: string): NewBucketAccess {
  const text = call.headers.get('x-amz-object-ownership');
  const asked = text === undefined ? undefined : readOwnership(text);
  if (text !== undefined && asked === undefined) {
    throw new S3Error('InvalidArgument', `Invalid x-amz-object-ownership header: ${text}`, {
      ArgumentName: 'x-amz-object-ownership',
    });
  }
  const ownership = asked ?? (call.service.bucketAcls ? undefined : 'BucketOwnerEnforced');
  const acl = readAclHeaders(call, { ownerId, bucketOwnerId: ownerId }) ?? ownerOnly(ownerId);
  const plain = sameAcl(acl, ownerOnly(ownerId));
  if (ownership === 'BucketOwnerEnforced' && !plain) {
    throw new S3Error('InvalidBucketAclWithObjectOwnership');
  }
  const settings = new Map<string, string>();
  if (ownership !== undefined) settings.set(ACCESS_SETTINGS.ownership, ownership);
  if (!plain) settings.set(ACCESS_SETTINGS.acl, encodeAcl(acl));
  return { acl, settings };
}
