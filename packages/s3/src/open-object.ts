import {
  type ObjectInfo,
  type ObjectReader,
  ObjectStoreError,
  type ReadObjectRequest,
} from '@holdfast/objects';
import type { HeaderList } from './answer.ts';
import { checksumHeaders, wantsChecksum } from './checksum-headers.ts';
import { readConditions, readRange } from './conditional-headers.ts';
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
  const opening = call.service.store.getObject(request);
  const reader = await (request.partNumber === undefined ? opening : opening.catch(explainPart));
  try {
    const { info, offset, length } = reader;
    const partial = (request.range ?? request.partNumber) !== undefined && length > 0;
    const headers = objectAnswerHeaders(call, info, length === info.sizeBytes);
    if (partial) {
      headers.push('Content-Range', `bytes ${offset}-${offset + length - 1}/${info.sizeBytes}`);
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

/** A part that an object does not have is, for a reader, like a range outside of it. */
function explainPart(error: unknown): never {
  if (error instanceof ObjectStoreError && error.code === 'InvalidPart') {
    throw new S3Error('InvalidPartNumber', undefined, {
      PartNumberRequested: error.details.partNumber,
    });
  }
  throw error;
}

/** Which bytes of which object, under which conditions. */
export function readRequest(call: S3Call): ReadObjectRequest {
  const { bucket, key, headers } = call;
  const conditions = readConditions(headers);
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
    ...(conditions !== undefined && { conditions }),
    ...(range !== undefined && { range }),
    ...(partNumber !== undefined && { partNumber }),
  };
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
  if (whole && wantsChecksum(call)) headers.push(...checksumHeaders(info.checksum));
  return headers;
}
