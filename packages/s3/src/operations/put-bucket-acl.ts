import { encodeAcl } from '../access/acl.ts';
import { readRequestedAcl } from '../access/acl-document.ts';
import { ACCESS_SETTINGS } from '../access/bucket-access.ts';
import { refusePublicAcl } from '../access/new-object-access.ts';
import { sendEmpty } from '../answer.ts';
import type { S3Call } from '../s3-call.ts';
import { S3Error } from '../s3-error.ts';

/** Source: AWS API reference, "PutBucketAcl". */
export async function putBucketAcl(call: S3Call): Promise<void> {
  const { bucket, access } = call.openBucket;
  const { ownerId } = bucket;
  const acl = await readRequestedAcl(call, { ownerId, bucketOwnerId: ownerId });
  if (access.ownership === 'BucketOwnerEnforced')
    throw new S3Error('AccessControlListNotSupported');
  refusePublicAcl(access.publicAccessBlock, acl);
  await call.store.putBucketSetting(call.bucket, ACCESS_SETTINGS.acl, encodeAcl(acl));
  await sendEmpty(call, 200);
}
