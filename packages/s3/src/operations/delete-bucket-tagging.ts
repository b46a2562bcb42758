import { sendEmpty } from '../answer.ts';
import { TAGGING_SETTING } from '../object-tags.ts';
import type { S3Call } from '../s3-call.ts';

/** Source: AWS API reference, "DeleteBucketTagging". */
export async function deleteBucketTagging(call: S3Call): Promise<void> {
  await call.store.putBucketSetting(call.bucket, TAGGING_SETTING, undefined);
  await sendEmpty(call, 204);
}
