import { LIFECYCLE_SETTING } from '@holdfast/objects';
import { sendEmpty } from '../answer.ts';
import type { S3Call } from '../s3-call.ts';

/** Source: AWS API reference, "DeleteBucketLifecycle". */
export async function deleteBucketLifecycleConfiguration(call: S3Call): Promise<void> {
  await call.store.putBucketSetting(call.bucket, LIFECYCLE_SETTING, undefined);
  await sendEmpty(call, 204);
}
