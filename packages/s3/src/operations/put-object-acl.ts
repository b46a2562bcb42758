import { readRequestedAcl } from '../access/acl-document.ts';
import { refusePublicAcl, storedAccess } from '../access/new-object-access.ts';
import { sendEmpty } from '../answer.ts';
import { readVersionAddress } from '../open-object.ts';
import type { S3Call } from '../s3-call.ts';
import { S3Error } from '../s3-error.ts';

/** Source: AWS API reference, "PutObjectAcl". */
export async function putObjectAcl(call: S3Call): Promise<void> {
  const { bucket, access } = call.openBucket;
  const { store } = call.service;
  if (access.ownership === 'BucketOwnerEnforced')
    throw new S3Error('AccessControlListNotSupported');
  const address = readVersionAddress(call);
  const info = await store.headObject({ ...address, anyKey: true, markerToo: true });
  const ownerId = info.metadata.ownerId ?? bucket.ownerId;
  const acl = await readRequestedAcl(call, { ownerId, bucketOwnerId: bucket.ownerId });
  refusePublicAcl(access.publicAccessBlock, acl);
  await store.putObjectAccess(address, storedAccess(acl, ownerId, bucket.ownerId));
  await sendEmpty(call, 200);
}
