import {
  type ObjectInfo,
  type ObjectReader,
  type ReadObjectRequest,
  rangeHolds,
  type VersionAddress,
} from '@holdfast/objects';
import type { HeaderList } from './answer.ts';
import { checksumHeaders, wantsChecksum } from './checksum-headers.ts';
import { readConditions, readIfRange, readRange } from './conditional-headers.ts';
import { readCustomerKey } from './encryption/customer-key.ts';
import { refuseMethodOfRead } from './encryption/encryption-headers.ts';
import { expirationHeaders } from './lifecycle/lifecycle-headers.ts';
import { readInteger } from './list-parameters.ts';
import { objectHeaders } from './object-metadata.ts';
import type { S3Call } from './s3-call.ts';
import { invalidArgument, S3Error } from './s3-error.ts';

/** Most parts that an upload has. */
export const MAX_PARTS = 10_000;

/** An object that is open for reading, and the answer that goes before its bytes. */
export interface OpenObject {
  readonly reader: ObjectReader;
  readonly status: 200 | 206;
  readonly headers: HeaderList;
}

/** Opens what GetObject or HeadObject asks for. The caller closes the reader. */
export async function openObject(call: S3Call): Promise<OpenObject> {
  const request = readRequest(call);
  const reader = await call.store.getObject(request);
  try {
    const { info, offset, length } = reader;
    const range = rangeHolds(request.ifRange, info) ? request.range : undefined;
    const partial = (range ?? request.partNumber) !== undefined && length > 0;
    const headers = objectAnswerHeaders(
      call,
      info,
      length === info.sizeBytes && reader.part === undefined,
    );
    if (partial) {
      headers.push('Content-Range', `bytes ${offset}-${offset + length - 1}/${info.sizeBytes}`);
    }
    const { part } = reader;
    const isOfPart = info.checksum?.type === 'composite' || length === info.sizeBytes;
    if (part?.checksum !== undefined && info.checksum !== undefined && isOfPart) {
      const { algorithm, value } = part.checksum;
      headers.push(...checksumHeaders({ algorithm, value, type: info.checksum.type }));
    }
    if (request.partNumber !== undefined && info.partCount !== undefined) {
      headers.push('x-amz-mp-parts-count', String(info.partCount));
    }
    return { reader, status: partial ? 206 : 200, headers };
  } catch (error) {
    reader.close();
    throw error;
  }
}

/** Which bytes of which object, under which conditions. */
export function readRequest(call: S3Call): ReadObjectRequest {
  const { bucket, key, headers } = call;
  refuseMethodOfRead(call);
  const versionId = readVersionId(call);
  const conditions = readConditions(call);
  const range = readRange(headers.get('range'));
  const partNumber = call.target.query.size === 0 ? undefined : readPartNumber(call);
  if (partNumber !== undefined && headers.has('range')) {
    throw new S3Error(
      'InvalidRequest',
      'Cannot specify both Range header and partNumber query parameter',
    );
  }
  return {
    bucket,
    key,
    versionId,
    conditions,
    range,
    ifRange: range && readIfRange(headers.get('if-range')),
    partNumber,
    customerKey: readCustomerKey(call),
  };
}

/** `versionId` of the query; an empty one is refused, as S3 does. */
function readVersionId(call: S3Call): string | undefined {
  if (call.target.query.size === 0) return undefined;
  const versionId = call.parameter('versionId');
  if (versionId !== '') return versionId;
  throw invalidArgument('Version id cannot be the empty string', 'versionId', '');
}

/** Key, and version if one is named, of the request. */
export function readVersionAddress(call: S3Call): VersionAddress {
  const { bucket, key } = call;
  const versionId = readVersionId(call);
  return versionId === undefined ? { bucket, key } : { bucket, key, versionId };
}

/** `partNumber` of the query, 1 to 10000. */
export function readPartNumber(call: S3Call): number | undefined {
  const partNumber = readInteger(call, 'partNumber');
  if (partNumber === undefined) return undefined;
  if (partNumber >= 1 && partNumber <= MAX_PARTS) return partNumber;
  throw invalidArgument(
    `Part number must be an integer between 1 and ${MAX_PARTS}, inclusive`,
    'partNumber',
    String(partNumber),
  );
}

/** Headers about the object; its checksum only where it was asked for and all bytes are sent. */
export function objectAnswerHeaders(call: S3Call, info: ObjectInfo, whole: boolean): HeaderList {
  const headers = objectHeaders(call, info);
  // Of the latest version: another one does not expire, it is let go of by other rules.
  if (call.parameter('versionId') === undefined) {
    const { sizeBytes, modifiedMs, metadata } = info;
    headers.push(...expirationHeaders(call, { sizeBytes, modifiedMs, tagging: metadata.tagging }));
  }
  if (whole && wantsChecksum(call)) headers.push(...checksumHeaders(info.checksum));
  return headers;
}
