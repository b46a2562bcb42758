import { sendXml } from '../answer.ts';
import type { S3Call } from '../s3-call.ts';
import { S3Error } from '../s3-error.ts';
import { element, xmlDocument } from '../xml-writer.ts';

/** Source: AWS API reference, "GetPublicAccessBlock". */
export async function getPublicAccessBlock(call: S3Call): Promise<void> {
  const block = call.openBucket.access.publicAccessBlock;
  if (block === undefined) {
    throw new S3Error('NoSuchPublicAccessBlockConfiguration', undefined, {
      BucketName: call.bucket,
    });
  }
  const inner =
    element('BlockPublicAcls', String(block.blockPublicAcls)) +
    element('IgnorePublicAcls', String(block.ignorePublicAcls)) +
    element('BlockPublicPolicy', String(block.blockPublicPolicy)) +
    element('RestrictPublicBuckets', String(block.restrictPublicBuckets));
  await sendXml(call, 200, xmlDocument('PublicAccessBlockConfiguration', inner));
}
