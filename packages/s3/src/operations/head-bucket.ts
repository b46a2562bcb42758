import { sendEmpty } from '../answer.ts';
import { bucketArnHeader } from '../bucket-arn.ts';
import type { S3Call } from '../s3-call.ts';

/** Source: AWS API reference, "HeadBucket". */
export async function headBucket(call: S3Call): Promise<void> {
  const bucket = call.openBucket.bucket;
  await sendEmpty(call, 200, [
    'x-amz-bucket-region',
    bucket.region,
    'x-amz-access-point-alias',
    'false',
    ...bucketArnHeader(bucket.name),
    'Content-Type',
    'application/xml',
  ]);
}
