import { sendEmpty } from '../answer.ts';
import { CORS_SETTING } from '../cors/cors-rules.ts';
import type { S3Call } from '../s3-call.ts';

/** Source: AWS API reference, "DeleteBucketCors". */
export async function deleteBucketCors(call: S3Call): Promise<void> {
  await call.store.putBucketSetting(call.bucket, CORS_SETTING, undefined);
  await sendEmpty(call, 204);
}
