import { aclDocument } from '../access/acl-document.ts';
import { sendXml } from '../answer.ts';
import type { S3Call } from '../s3-call.ts';

/** Source: AWS API reference, "GetBucketAcl". */
export async function getBucketAcl(call: S3Call): Promise<void> {
  const { access } = call.openBucket;
  await sendXml(call, 200, aclDocument(call, access.ownerId, access.acl));
}
