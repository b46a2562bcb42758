import { sendEmpty } from '../answer.ts';
import { BUCKET_TAGS, encodeTags, readTagging, TAGGING_SETTING } from '../object-tags.ts';
import type { S3Call } from '../s3-call.ts';

/** An empty set leaves no tags, as if they were deleted. Source: AWS API reference, "PutBucketTagging". */
export async function putBucketTagging(call: S3Call): Promise<void> {
  const tags = await readTagging(call, BUCKET_TAGS);
  const kept = tags.length === 0 ? undefined : encodeTags(tags);
  await call.store.putBucketSetting(call.bucket, TAGGING_SETTING, kept);
  await sendEmpty(call, 204);
}
