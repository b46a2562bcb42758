import { ACCESS_SETTINGS } from '../access/bucket-access.ts';
import { sendEmpty } from '../answer.ts';
import type { S3Call } from '../s3-call.ts';

/** Source: AWS API reference, "DeleteBucketPolicy". */
export async function deleteBucketPolicy(call: S3Call): Promise<void> {
  await call.store.putBucketSetting(call.bucket, ACCESS_SETTINGS.policy, undefined);
  await sendEmpty(call, 204);
}
