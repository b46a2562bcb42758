import { aclDocument } from '../access/acl-document.ts';
import { objectAcl } from '../access/authorize.ts';
import { sendXml } from '../answer.ts';
import { readVersionAddress } from '../open-object.ts';
import type { S3Call } from '../s3-call.ts';

/** Source: AWS API reference, "GetObjectAcl". */
export async function getObjectAcl(call: S3Call): Promise<void> {
  const { bucket, access } = call.openBucket;
  const info = await call.store.headObject({
    ...readVersionAddress(call),
    anyKey: true,
  });
  const enforced = access.ownership === 'BucketOwnerEnforced';
  const ownerId = (enforced ? undefined : info.metadata.ownerId) ?? bucket.ownerId;
  const { acl: _acl, ...rest } = info.metadata;
  const shown = enforced ? { ...info, metadata: rest } : info;
  await sendXml(call, 200, aclDocument(call, ownerId, objectAcl(shown, ownerId)));
}
