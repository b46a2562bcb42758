import type { UploadInfo } from '@holdfast/objects';
import { sendXml } from '../answer.ts';
import { uploadChecksumElements } from '../checksum-headers.ts';
import { isoDate } from '../http-date.ts';
import { MAX_PAGE, type NameEncoder, readCount, readEncoding } from '../list-parameters.ts';
import { objectOwnerElement, ownerElement } from '../owner-element.ts';
import type { S3Call } from '../s3-call.ts';
import { invalidArgument } from '../s3-error.ts';
import { element, optionalElement, xmlDocument } from '../xml-writer.ts';

const UPLOAD_ID = /^[0-9a-f]{32}$/;

/** Source: AWS API reference, "ListMultipartUploads". */
export async function listMultipartUploads(call: S3Call): Promise<void> {
  const prefix = call.parameter('prefix') || undefined;
  const delimiter = call.parameter('delimiter') || undefined;
  const keyMarker = call.parameter('key-marker') || undefined;
  // S3 ignores it without a key marker.
  const idMarker = (keyMarker !== undefined && call.parameter('upload-id-marker')) || undefined;
  if (idMarker !== undefined && !UPLOAD_ID.test(idMarker)) {
    throw invalidArgument('Invalid uploadId marker', 'upload-id-marker', idMarker);
  }
  const limit = readCount(call, 'max-uploads', MAX_PAGE);
  const encode = readEncoding(call);
  const show: NameEncoder = encode ?? ((name) => name);
  const page = await call.store.listMultipartUploads({
    bucket: call.bucket,
    limit,
    ...(prefix !== undefined && { prefix }),
    ...(delimiter !== undefined && { delimiter }),
    ...(keyMarker !== undefined && { afterKey: keyMarker }),
    ...(idMarker !== undefined && { afterUploadId: idMarker }),
  });
  // S3 does not name a common prefix here, but without it nobody could go on.
  const nextKey = page.more || page.lastUploadId !== undefined ? page.lastKey : undefined;
  const inner =
    element('Bucket', call.bucket) +
    element('KeyMarker', show(keyMarker ?? '')) +
    element('UploadIdMarker', idMarker ?? '') +
    element('NextKeyMarker', show(nextKey ?? '')) +
    element('NextUploadIdMarker', page.lastUploadId ?? '') +
    optionalElement('Prefix', prefix && show(prefix)) +
    (delimiter === undefined ? '' : element('Delimiter', show(delimiter))) +
    (encode === undefined ? '' : element('EncodingType', 'url')) +
    element('MaxUploads', String(limit)) +
    element('IsTruncated', String(page.more)) +
    page.uploads.map((upload) => uploadElement(call, upload, show)).join('') +
    page.commonPrefixes
      .map((name) => `<CommonPrefixes>${element('Prefix', show(name))}</CommonPrefixes>`)
      .join('');
  await sendXml(call, 200, xmlDocument('ListMultipartUploadsResult', inner));
}

function uploadElement(call: S3Call, upload: UploadInfo, show: NameEncoder): string {
  const inner =
    element('Key', show(upload.key)) +
    element('UploadId', upload.uploadId) +
    ownerElement(call, upload.ownerId, 'Initiator') +
    objectOwnerElement(call, upload.metadata.ownerId) +
    element('StorageClass', upload.metadata.storageClass ?? 'STANDARD') +
    element('Initiated', isoDate(upload.initiatedMs)) +
    uploadChecksumElements(upload.checksumIsDefault ? undefined : upload);
  return `<Upload>${inner}</Upload>`;
}
