import { ObjectStoreError } from '@holdfast/objects';
import type { S3Call } from '../s3-call.ts';
import { S3Error } from '../s3-error.ts';
import { mayList, openBucket } from './authorize.ts';

/**
 * What is said instead of `error`: that a key is not there is told only to those who may list its bucket. For the source
 * of a copy that is the bucket of the source.
 *
 * Source: AWS API reference, "GetObject", "Permissions"; "CopyObject".
 */
export async function hideMissingKey(call: S3Call, error: unknown): Promise<unknown> {
  if (!(error instanceof ObjectStoreError) || error.code !== 'NoSuchKey') return error;
  const { key: Key = call.key, operation: Operation, source } = error.details;
  const { bucket, key } = source ?? { bucket: call.bucket, key: Key };
  const open = bucket === call.bucket ? call.openBucket : await openBucket(call, bucket);
  if (await mayList(call, open, key)) return error;
  return new S3Error('AccessDenied', undefined, Operation === undefined ? {} : { Key, Operation });
}
