import { sendXml } from '../answer.ts';
import type { S3Call } from '../s3-call.ts';
import { S3Error } from '../s3-error.ts';
import { element, xmlDocument } from '../xml-writer.ts';

/** Source: AWS API reference, "GetBucketOwnershipControls". */
export async function getBucketOwnershipControls(call: S3Call): Promise<void> {
  const { ownership } = call.openBucket.access;
  if (ownership === undefined) {
    throw new S3Error('OwnershipControlsNotFoundError', undefined, { BucketName: call.bucket });
  }
  const inner = `<Rule>${element('ObjectOwnership', ownership)}</Rule>`;
  await sendXml(call, 200, xmlDocument('OwnershipControls', inner));
}
