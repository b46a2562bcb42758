import { sendEmpty } from '../answer.ts';
import type { S3Call } from '../s3-call.ts';

/** Source: AWS API reference, "DeleteBucket". */
export async function deleteBucket(call: S3Call): Promise<void> {
  await call.store.deleteBucket(call.bucket);
  await sendEmpty(call, 204);
}
