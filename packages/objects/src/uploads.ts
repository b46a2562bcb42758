import { fromHex, toHex } from '@holdfast/bytes';
import type { KnownBucket } from './buckets.ts';
import { ObjectStoreError } from './errors.ts';
import { ID_SIZE_BYTES, uploadKey } from './keys.ts';
import { checkObjectKey } from './names.ts';
import type { UploadAddress } from './object-store.ts';
import type { StoreContext } from './store-context.ts';
import { decodeUploadRecord, type UploadRecord } from './upload-record.ts';

/** An open upload as it was at one version. */
export interface KnownUpload {
  readonly bucket: KnownBucket;
  readonly uploadId: Uint8Array;
  readonly kvKey: Uint8Array;
  readonly version: number;
  readonly record: UploadRecord;
}

const UPLOAD_ID = /^[0-9a-f]{32}$/;

/** The bytes of an upload id. NoSuchUpload for what this store never gave out. */
export function uploadIdBytes(address: UploadAddress): Uint8Array {
  if (!UPLOAD_ID.test(address.uploadId)) throw noSuchUpload(address);
  return fromHex(address.uploadId);
}

/** The open upload. NoSuchBucket, or NoSuchUpload where it was never there, completed or aborted. */
export async function findUpload(
  context: StoreContext,
  address: UploadAddress,
): Promise<KnownUpload> {
  checkObjectKey(address.key);
  const bucket = await context.buckets.fresh(address.bucket);
  const uploadId = uploadIdBytes(address);
  const kvKey = uploadKey(bucket.record.bucketId, address.key, uploadId);
  const entry = await context.kv.get(kvKey);
  if (entry === undefined) throw noSuchUpload(address);
  const { version, value } = entry;
  return { bucket, uploadId, kvKey, version, record: decodeUploadRecord(value) };
}

export function noSuchUpload({ key, uploadId }: UploadAddress): ObjectStoreError {
  return new ObjectStoreError(
    'NoSuchUpload',
    'The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.',
    { key, uploadId },
  );
}

/** A fresh upload id. Its first six bytes are the time, so that uploads of a key sort by age. */
export function newUploadId(context: StoreContext): Uint8Array {
  const id = context.env.random.bytes(ID_SIZE_BYTES);
  let rest = context.env.clock.nowMs();
  for (let at = 5; at >= 0; at--) {
    id[at] = rest % 0x100;
    rest = Math.floor(rest / 0x100);
  }
  return id;
}

/** Name of the lock under which parts of an upload commit. */
export function partLock(uploadId: Uint8Array, partNumber: number): string {
  return `${toHex(uploadId)}#${partNumber}`;
}
