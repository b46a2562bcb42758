import { ownerOnly, sameAcl } from '../access/acl.ts';
import { ACCESS_SETTINGS } from '../access/bucket-access.ts';
import { readOwnership } from '../access/object-ownership.ts';
import { sendEmpty } from '../answer.ts';
import type { S3Call } from '../s3-call.ts';
import { S3Error } from '../s3-error.ts';
import { readXmlBody } from '../xml-body.ts';
import { checkChildren, malformed } from '../xml-reader.ts';

/** Source: AWS API reference, "PutBucketOwnershipControls". */
export async function putBucketOwnershipControls(call: S3Call): Promise<void> {
  const root = await readXmlBody(call, {
    root: 'OwnershipControls',
    limitBytes: call.service.limits.xmlSizeBytes,
    maxTags: 100,
  });
  if (root === undefined) throw malformed();
  const rule = checkChildren(root, { Rule: 'one' }).one('Rule');
  const text = checkChildren(rule, { ObjectOwnership: 'one' }).text('ObjectOwnership') ?? '';
  const ownership = readOwnership(text.trim());
  if (ownership === undefined) throw malformed();
  const { ownerId, acl } = call.openBucket.access;
  if (ownership === 'BucketOwnerEnforced' && !sameAcl(acl, ownerOnly(ownerId))) {
    throw new S3Error('InvalidBucketAclWithObjectOwnership');
  }
  await call.store.putBucketSetting(call.bucket, ACCESS_SETTINGS.ownership, ownership);
  await sendEmpty(call, 200);
}
