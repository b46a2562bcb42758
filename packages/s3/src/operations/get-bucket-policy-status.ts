import { isPublicAcl } from '../access/acl.ts';
import { sendXml } from '../answer.ts';
import type { S3Call } from '../s3-call.ts';
import { S3Error } from '../s3-error.ts';
import { element, xmlDocument } from '../xml-writer.ts';

/**
 * Whether the bucket is public, by its policy or its ACL. NoSuchBucketPolicy without a policy, but to Ceph. Source: AWS API reference, "GetBucketPolicyStatus".
 */
export async function getBucketPolicyStatus(call: S3Call): Promise<void> {
  const { acl, ownership, policy, policyIsPublic, publicAccessBlock } = call.openBucket.access;
  if (policy === undefined && !call.service.answersAsCeph) {
    throw new S3Error('NoSuchBucketPolicy', undefined, { BucketName: call.bucket });
  }
  const aclsCount =
    ownership !== 'BucketOwnerEnforced' && publicAccessBlock?.ignorePublicAcls !== true;
  const policyCounts = publicAccessBlock?.restrictPublicBuckets !== true;
  const isPublic = (policyCounts && policyIsPublic) || (aclsCount && isPublicAcl(acl));
  await sendXml(call, 200, xmlDocument('PolicyStatus', element('IsPublic', String(isPublic))));
}
