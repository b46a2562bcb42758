import { sendXml } from '../answer.ts';
import { bucketEncryption, bucketEncryptionDocument } from '../encryption/bucket-encryption.ts';
import type { S3Call } from '../s3-call.ts';
import { S3Error } from '../s3-error.ts';

/** Source: AWS API reference, "GetBucketEncryption". */
export async function getBucketEncryption(call: S3Call): Promise<void> {
  const encryption = bucketEncryption(call.openBucket.bucket);
  if (encryption === undefined) {
    throw new S3Error('ServerSideEncryptionConfigurationNotFoundError', undefined, {
      BucketName: call.bucket,
    });
  }
  await sendXml(call, 200, bucketEncryptionDocument(encryption));
}
