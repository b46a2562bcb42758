import { ObjectStoreError, type PartInfo } from '@holdfast/objects';
import { requireSource } from '../access/require-source.ts';
import { checksumElementName } from '../checksum-headers.ts';
import { readConditions } from '../conditional-headers.ts';
import { readCopySource } from '../copy-source.ts';
import { customerKeyField, sourceKeyField } from '../encryption/customer-key.ts';
import { isoDate } from '../http-date.ts';
import type { S3Call } from '../s3-call.ts';
import { invalidArgument, S3Error } from '../s3-error.ts';
import { sendSlowXml } from '../slow-answer.ts';
import { readUploadAddress, requirePartNumber } from '../upload-address.ts';
import { element, xmlDocument } from '../xml-writer.ts';
import { copyHeaders } from './copy-object.ts';

const RANGE_HEADER = 'x-amz-copy-source-range';

/** Source: AWS API reference, "UploadPartCopy". */
export async function uploadPartCopy(call: S3Call): Promise<void> {
  const partNumber = requirePartNumber(call);
  const range = readCopyRange(call);
  const sourceConditions = readConditions(call, 'x-amz-copy-source-');
  const source = readCopySource(call);
  const keys = { ...customerKeyField(call), ...sourceKeyField(call) };
  await requireSource(call, source);
  const copying = call.store.uploadPartCopy({
    ...readUploadAddress(call),
    partNumber,
    source,
    ...keys,
    ...(sourceConditions !== undefined && { sourceConditions }),
    ...(range !== undefined && { range }),
  });
  const copied = copying.catch((error: unknown) => refuseRange(call, range, error));
  await sendSlowXml(call, copied, resultDocument, (result) => copyHeaders(call, result));
}

function resultDocument(part: PartInfo): string {
  const checksum =
    part.checksum === undefined
      ? ''
      : element(checksumElementName(part.checksum.algorithm), part.checksum.value);
  const inner =
    element('LastModified', isoDate(part.modifiedMs)) +
    element('ETag', `"${part.etag}"`) +
    checksum;
  return xmlDocument('CopyPartResult', inner);
}

/** A range that the source does not have is refused in other words than that of a read, but by Ceph. */
function refuseRange(call: S3Call, range: { first: number } | undefined, error: unknown): never {
  if (call.service.answersAsCeph) throw error;
  const { code, details } = error instanceof ObjectStoreError ? error : {};
  if (code !== 'InvalidRange' || details === undefined || range === undefined) throw error;
  const { sizeBytes = 0 } = details;
  if (range.first >= sizeBytes) {
    throw new S3Error(
      'InvalidRequest',
      'The specified copy range is invalid for the source object size',
    );
  }
  throw invalidArgument(
    `Range specified is not valid for source object of size: ${sizeBytes}`,
    RANGE_HEADER,
    call.headers.get(RANGE_HEADER) ?? '',
  );
}

/** `bytes=first-last`, both ends given; unlike `Range`, a malformed one is refused. */
function readCopyRange(call: S3Call): { first: number; last: number } | undefined {
  const value = call.headers.get(RANGE_HEADER);
  if (value === undefined) return undefined;
  const match = /^bytes=(\d{1,15})-(\d{1,15})$/.exec(value);
  const first = Number(match?.[1]);
  const last = Number(match?.[2]);
  if (match === null || last < first) {
    throw invalidArgument(
      'The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy',
      RANGE_HEADER,
      value,
    );
  }
  return { first, last };
}
