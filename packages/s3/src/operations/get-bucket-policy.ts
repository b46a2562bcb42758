import { ACCESS_SETTINGS } from '../access/bucket-access.ts';
import { sendText } from '../answer.ts';
import type { S3Call } from '../s3-call.ts';
import { S3Error } from '../s3-error.ts';

/** The document as it was put. Source: AWS API reference, "GetBucketPolicy". */
export async function getBucketPolicy(call: S3Call): Promise<void> {
  const policy = call.openBucket.bucket.settings.get(ACCESS_SETTINGS.policy);
  if (policy === undefined) {
    throw new S3Error('NoSuchBucketPolicy', undefined, { BucketName: call.bucket });
  }
  await sendText(call, 200, 'application/json', policy);
}
