import { compareBytes } from '@holdfast/bytes';
import { keyAfter } from './key-range.ts';
import { KEY_SPACE, partKey, spaceRange } from './keys.ts';
import { PART_NUMBER_LIMIT } from './limits.ts';
import type { ListPartsPage, ListPartsRequest, UploadAddress, UploadInfo } from './object-store.ts';
import { decodePartRecord, partInfo } from './part-record.ts';
import type { StoreContext } from './store-context.ts';
import { uploadInfo } from './upload-record.ts';
import { findUpload } from './uploads.ts';

export async function getMultipartUpload(
  context: StoreContext,
  address: UploadAddress,
): Promise<UploadInfo> {
  const { uploadId, record } = await findUpload(context, address);
  return uploadInfo(address, uploadId, record);
}

/** Parts of an open upload by their number, one page. */
export async function listParts(
  context: StoreContext,
  request: ListPartsRequest,
): Promise<ListPartsPage> {
  const { uploadId, record } = await findUpload(context, request);
  const upload = uploadInfo(request, uploadId, record);
  const { after, limit } = request;
  if (limit === 0 || after >= PART_NUMBER_LIMIT) return { upload, parts: [], more: false };
  const range = spaceRange(KEY_SPACE.part, uploadId);
  const past = keyAfter(partKey(uploadId, Math.max(0, after)));
  const from = compareBytes(past, range.from) > 0 ? past : range.from;
  const page = await context.kv.scan({ ...range, from, limit });
  const parts = page.entries.map((entry) => partInfo(decodePartRecord(entry.value)));
  return { upload, parts, more: page.more };
}
