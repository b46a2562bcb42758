import type { Bucket } from '@holdfast/objects';
import type { S3Call } from './s3-call.ts';

/** The bucket of the request. Rejects with NoSuchBucket. */
export function findBucket(call: S3Call): Promise<Bucket> {
  return call.service.store.getBucket(call.bucket);
}
