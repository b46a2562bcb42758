import type { PartInfo } from '@holdfast/objects';
import { sendXml } from '../answer.ts';
import { checksumElementName, uploadChecksumElements } from '../checksum-headers.ts';
import { isoDate } from '../http-date.ts';
import { abortHeaders } from '../lifecycle/lifecycle-headers.ts';
import { MAX_PAGE, readCount, readEncoding, readInteger } from '../list-parameters.ts';
import { objectOwnerElement, ownerElement } from '../owner-element.ts';
import type { S3Call } from '../s3-call.ts';
import { readUploadAddress } from '../upload-address.ts';
import { element, xmlDocument } from '../xml-writer.ts';

/** Source: AWS API reference, "ListParts". */
export async function listParts(call: S3Call): Promise<void> {
  const address = readUploadAddress(call);
  const limit = readCount(call, 'max-parts', MAX_PAGE);
  const after = readInteger(call, 'part-number-marker') ?? 0;
  const encode = readEncoding(call) ?? ((name) => name);
  const page = await call.store.listParts({ ...address, limit, after });
  // What S3 chose by itself it does not show before the object is complete.
  const shown = page.upload.checksumIsDefault ? undefined : page.upload;
  const next = page.parts.at(-1)?.partNumber ?? (page.more ? after : 0);
  const inner =
    element('Bucket', call.bucket) +
    element('Key', encode(call.key)) +
    element('UploadId', address.uploadId) +
    ownerElement(call, page.upload.ownerId, 'Initiator') +
    objectOwnerElement(call, page.upload.metadata.ownerId) +
    element('StorageClass', page.upload.metadata.storageClass ?? 'STANDARD') +
    uploadChecksumElements(shown) +
    element('PartNumberMarker', String(after)) +
    element('NextPartNumberMarker', String(next)) +
    element('MaxParts', String(limit)) +
    element('IsTruncated', String(page.more)) +
    page.parts.map((part) => partElement(part, shown !== undefined)).join('');
  const headers = abortHeaders(call, page.upload);
  await sendXml(call, 200, xmlDocument('ListPartsResult', inner), headers);
}

function partElement(part: PartInfo, withChecksum: boolean): string {
  const checksum =
    part.checksum === undefined || !withChecksum
      ? ''
      : element(checksumElementName(part.checksum.algorithm), part.checksum.value);
  return `<Part>${element('PartNumber', String(part.partNumber))}${element('LastModified', isoDate(part.modifiedMs))}${element('ETag', `"${part.etag}"`)}${element('Size', String(part.sizeBytes))}${checksum}</Part>`;
}
