import { sendEmpty } from '../answer.ts';
import { ENCRYPTION_SETTING } from '../encryption/bucket-encryption.ts';
import type { S3Call } from '../s3-call.ts';

/** New objects are then stored as they come. Source: AWS API reference, "DeleteBucketEncryption". */
export async function deleteBucketEncryption(call: S3Call): Promise<void> {
  await call.store.putBucketSetting(call.bucket, ENCRYPTION_SETTING, undefined);
  await sendEmpty(call, 204);
}
