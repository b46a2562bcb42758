import { sendEmpty } from '../answer.ts';
import type { S3Call } from '../s3-call.ts';
import { WEBSITE_SETTING } from '../website/website-rules.ts';

/** Source: AWS API reference, "DeleteBucketWebsite". */
export async function deleteBucketWebsite(call: S3Call): Promise<void> {
  await call.store.putBucketSetting(call.bucket, WEBSITE_SETTING, undefined);
  await sendEmpty(call, 204);
}
