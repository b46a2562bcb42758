import type { UploadAddress } from '@holdfast/objects';
import { MAX_PARTS, readPartNumber } from './open-object.ts';
import type { S3Call } from './s3-call.ts';
import { S3Error } from './s3-error.ts';

/** Bucket, key and `uploadId` of the request. */
export function readUploadAddress(call: S3Call): UploadAddress {
  const uploadId = call.parameter('uploadId') ?? '';
  if (uploadId === '') throw new S3Error('NoSuchUpload', undefined, { UploadId: '' });
  return { bucket: call.bucket, key: call.key, uploadId };
}

/** `partNumber`, which UploadPart and UploadPartCopy must have. */
export function requirePartNumber(call: S3Call): number {
  const text = call.parameter('partNumber') ?? '';
  const partNumber = text.startsWith('-') ? undefined : readPartNumber(call);
  if (partNumber !== undefined) return partNumber;
  throw new S3Error(
    'InvalidArgument',
    `Part number must be an integer between 1 and ${MAX_PARTS}, inclusive`,
    { ArgumentName: 'partNumber', ArgumentValue: text },
  );
}
