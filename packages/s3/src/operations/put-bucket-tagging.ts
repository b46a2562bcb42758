import { sendEmpty } from '../answer.ts';
import { BUCKET_TAG_LIMIT, encodeTags, readTagging, TAGGING_SETTING } from '../object-tags.ts';
import type { S3Call } from '../s3-call.ts';

/** Source: AWS API reference, "PutBucketTagging". */
export async function putBucketTagging(call: S3Call): Promise<void> {
  const tags = encodeTags(await readTagging(call, BUCKET_TAG_LIMIT));
  await call.store.putBucketSetting(call.bucket, TAGGING_SETTING, tags);
  await sendEmpty(call, 204);
}
