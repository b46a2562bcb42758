import type { S3Call } from '../s3-call.ts';
import { S3Error } from '../s3-error.ts';

/** There never is one. Source: AWS API reference, "GetBucketReplication". */
export async function getBucketReplication(call: S3Call): Promise<void> {
  throw new S3Error('ReplicationConfigurationNotFoundError', undefined, {
    BucketName: call.bucket,
  });
}
