import { fromHex, toHex } from '@holdfast/bytes';
import { keyAfter } from './key-range.ts';
import {
  decodeUploadKey,
  KEY_SPACE,
  spaceRange,
  uploadKey,
  uploadPrefix,
  uploadsOfKey,
} from './keys.ts';
import { NameWalk } from './name-walk.ts';
import type { ListUploadsPage, ListUploadsRequest, UploadInfo } from './object-store.ts';
import type { StoreContext } from './store-context.ts';
import { decodeUploadRecord, uploadInfo } from './upload-record.ts';

/** One page of a bucket's open uploads, by key and then by age. */
export async function listMultipartUploads(
  context: StoreContext,
  request: ListUploadsRequest,
): Promise<ListUploadsPage> {
  const { bucketId } = (await context.buckets.fresh(request.bucket)).record;
  const walk = new NameWalk({
    range: (prefix) => spaceRange(KEY_SPACE.upload, uploadPrefix(bucketId, prefix).subarray(1)),
    keyOf: (entry) => decodeUploadKey(entry.key).key,
    prefix: request.prefix ?? '',
    delimiter: request.delimiter,
    after: request.afterKey,
    past: (key) => pastMarker(bucketId, key, request.afterUploadId),
  });
  const uploads: UploadInfo[] = [];
  const commonPrefixes: string[] = [];
  let lastKey: string | undefined;
  let lastUploadId: string | undefined;
  const page = (more: boolean): ListUploadsPage => ({
    uploads,
    commonPrefixes,
    more,
    lastKey,
    lastUploadId,
  });
  if (request.limit === 0) return page(false);
  for await (const { name, entry } of walk.names(context.kv)) {
    if (uploads.length + commonPrefixes.length === request.limit) return page(true);
    lastKey = name;
    lastUploadId = undefined;
    if (entry === undefined) {
      commonPrefixes.push(name);
      continue;
    }
    const { uploadId } = decodeUploadKey(entry.key);
    lastUploadId = toHex(uploadId);
    const address = { bucket: request.bucket, key: name };
    uploads.push(uploadInfo(address, uploadId, decodeUploadRecord(entry.value)));
  }
  return page(false);
}

/** The first kvKey past a key, or, with an upload id, past that upload of it. */
function pastMarker(bucketId: Uint8Array, key: string, uploadId: string | undefined): Uint8Array {
  if (uploadId !== undefined && /^[0-9a-f]{32}$/.test(uploadId)) {
    return keyAfter(uploadKey(bucketId, key, fromHex(uploadId)));
  }
  return spaceRange(KEY_SPACE.upload, uploadsOfKey(bucketId, key).subarray(1)).to;
}
