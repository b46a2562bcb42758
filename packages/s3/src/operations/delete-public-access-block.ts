import { ACCESS_SETTINGS } from '../access/bucket-access.ts';
import { sendEmpty } from '../answer.ts';
import type { S3Call } from '../s3-call.ts';

/** Source: AWS API reference, "DeletePublicAccessBlock". */
export async function deletePublicAccessBlock(call: S3Call): Promise<void> {
  const { store } = call.service;
  await store.putBucketSetting(call.bucket, ACCESS_SETTINGS.publicAccessBlock, undefined);
  await sendEmpty(call, 204);
}
