import type { S3Call } from '../s3-call.ts';
import { hasAclHeaders } from './acl-headers.ts';
import type { RequiredAction } from './action-table.ts';
import type { BucketAccess } from './bucket-access.ts';

/** Operations that write an object whose ACL, tags and lock may be said in headers. */
const WRITES: ReadonlySet<string> = new Set(['PutObject', 'CopyObject', 'CreateMultipartUpload']);

// Who may write into a bucket by its ACL alone may say what becomes of what it writes; but not that nobody may delete it.
const GRANT = { on: 'bucket', permission: 'WRITE' } as const;

/** To give an object tags with the write that makes it. */
export const WRITE_TAGS: RequiredAction = { action: 's3:PutObjectTagging', grant: GRANT };

/**
 * A write that says ACL, tags or lock of its object in headers needs the actions too that setting them alone would need.
 *
 * Source: AWS API reference, "PutObject", "Permissions"; "CopyObject"; "CreateMultipartUpload".
 */
export function headerActions(
  call: S3Call,
  operation: string,
  { policyReadsAcl }: Pick<BucketAccess, 'policyReadsAcl'>,
): readonly RequiredAction[] {
  if (!WRITES.has(operation)) return [];
  const { headers } = call;
  const actions: RequiredAction[] = [];
  if (hasAclHeaders(call)) {
    // A policy with conditions on these very headers has judged them when it allowed the write.
    actions.push({ action: 's3:PutObjectAcl', grant: GRANT, enoughNotDenied: policyReadsAcl });
  }
  const copiesTags =
    operation === 'CopyObject' && headers.get('x-amz-tagging-directive') !== 'REPLACE';
  if (headers.get('x-amz-tagging') && !copiesTags) {
    actions.push(WRITE_TAGS);
  }
  if (headers.has('x-amz-object-lock-mode')) {
    actions.push({ action: 's3:PutObjectRetention' });
  }
  if (headers.has('x-amz-object-lock-legal-hold')) {
    actions.push({ action: 's3:PutObjectLegalHold' });
  }
  return actions;
}

/**
 * What the headers of CreateBucket need.
 *
 * Source: AWS API reference, "CreateBucket", "Permissions".
 */
export function creationActions(call: S3Call): readonly string[] {
  const { headers } = call;
  const actions = ['s3:CreateBucket'];
  // `private` is what a bucket is anyway, and a canned ACL beside grants is refused.
  if (hasAclHeaders(call) && headers.get('x-amz-acl') !== 'private') {
    actions.push('s3:PutBucketAcl');
  }
  if (headers.has('x-amz-object-ownership')) actions.push('s3:PutBucketOwnershipControls');
  if (headers.get('x-amz-bucket-object-lock-enabled')?.toLowerCase() === 'true') {
    actions.push('s3:PutBucketObjectLockConfiguration', 's3:PutBucketVersioning');
  }
  return actions;
}
