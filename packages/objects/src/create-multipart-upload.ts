import { pinBucket, unmarkBucket } from './buckets.ts';
import { newEncryption } from './data-keys.ts';
import { ObjectStoreError } from './errors.ts';
import { idKey, KEY_SPACE, uploadKey } from './keys.ts';
import { checkMetadata, checkObjectKey } from './names.ts';
import { checkLockAllowed } from './object-lock.ts';
import type { CreateMultipartUploadRequest, UploadInfo } from './object-store.ts';
import { encodeGroupOwner } from './owner-record.ts';
import { checksumTypeOf } from './part-checksums.ts';
import { commit, put, type StoreContext } from './store-context.ts';
import { encodeUploadRecord, type UploadRecord, uploadInfo } from './upload-record.ts';
import { newUploadId } from './uploads.ts';

export async function createMultipartUpload(
  context: StoreContext,
  request: CreateMultipartUploadRequest,
): Promise<UploadInfo> {
  const { bucket: name, key, ownerId, metadata } = request;
  checkObjectKey(key);
  checkMetadata(metadata);
  const isDefault = request.checksumAlgorithm === undefined && request.checksumType === undefined;
  // Source: Amazon S3 User Guide, "Checking object integrity": what S3 computes for who names no checksum.
  const checksumAlgorithm = isDefault ? 'crc64nvme' : request.checksumAlgorithm;
  const checksumType = checksumTypeOf(checksumAlgorithm, request.checksumType);
  const described: Omit<UploadRecord, 'encryption'> = {
    initiatedMs: context.env.clock.nowMs(),
    ownerId,
    checksumAlgorithm,
    checksumType,
    checksumIsDefault: isDefault,
    sealed: false,
    metadata,
  };
  const uploadId = newUploadId(context);
  for (let attempt = 0; attempt < context.limits.commitAttempts; attempt++) {
    const bucket = await context.buckets.known(name);
    const { bucketId } = bucket.record;
    checkLockAllowed(bucket.record, metadata);
    // Why each time: the key that sealed it may have been given up meanwhile.
    const encryption = await newEncryption(context, request.encryption);
    const record = { ...described, encryption: encryption?.record };
    const failed = await commit(
      context,
      [pinBucket(bucket), ...(encryption?.stillSeals ? [encryption.stillSeals] : [])],
      [
        put(uploadKey(bucketId, key, uploadId), encodeUploadRecord(record)),
        put(
          idKey(KEY_SPACE.partGroup, uploadId),
          encodeGroupOwner({ kind: 'upload', bucketId, key }),
        ),
        ...unmarkBucket(bucket),
      ],
    );
    if (failed !== undefined || bucket.record.deleting) context.buckets.forget(name);
    if (failed === undefined) return uploadInfo(request, uploadId, record);
  }
  throw new ObjectStoreError(
    'OperationAborted',
    'A conflicting operation is in progress on this bucket. Please try again.',
    { bucket: name },
  );
}
