import { isPublicAcl } from '../access/acl.ts';
import { sendXml } from '../answer.ts';
import type { S3Call } from '../s3-call.ts';
import { element, xmlDocument } from '../xml-writer.ts';

/**
 * Whether the bucket is public, by its policy or its ACL. Without a policy it answers too, where S3 may answer
 * NoSuchBucketPolicy. Source: AWS API reference, "GetBucketPolicyStatus".
 */
export async function getBucketPolicyStatus(call: S3Call): Promise<void> {
  const { acl, ownership, policyIsPublic, publicAccessBlock } = call.openBucket.access;
  const aclsCount =
    ownership !== 'BucketOwnerEnforced' && publicAccessBlock?.ignorePublicAcls !== true;
  const policyCounts = publicAccessBlock?.restrictPublicBuckets !== true;
  const isPublic = (policyCounts && policyIsPublic) || (aclsCount && isPublicAcl(acl));
  await sendXml(call, 200, xmlDocument('PolicyStatus', element('IsPublic', String(isPublic))));
}
