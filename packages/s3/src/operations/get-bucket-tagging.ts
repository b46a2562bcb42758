import { sendXml } from '../answer.ts';
import { decodeTags, TAGGING_SETTING, taggingDocument } from '../object-tags.ts';
import type { S3Call } from '../s3-call.ts';
import { S3Error } from '../s3-error.ts';

/** Source: AWS API reference, "GetBucketTagging". */
export async function getBucketTagging(call: S3Call): Promise<void> {
  const tags = call.openBucket.bucket.settings.get(TAGGING_SETTING);
  if (tags === undefined) {
    throw new S3Error('NoSuchTagSet', undefined, { BucketName: call.bucket });
  }
  await sendXml(call, 200, taggingDocument(decodeTags(tags)));
}
