import { ACCESS_SETTINGS } from '../access/bucket-access.ts';
import { sendEmpty } from '../answer.ts';
import type { S3Call } from '../s3-call.ts';

/** Source: AWS API reference, "DeleteBucketOwnershipControls". */
export async function deleteBucketOwnershipControls(call: S3Call): Promise<void> {
  await call.store.putBucketSetting(call.bucket, ACCESS_SETTINGS.ownership, undefined);
  await sendEmpty(call, 204);
}
