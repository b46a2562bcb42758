import { STATUS_CODES } from 'node:http';
import { type ErrorDetails, ObjectStoreError } from '@holdfast/objects';
import { ClientGoneError, sendEmpty, sendText, sendXml } from './answer.ts';
import { AuthError } from './auth/index.ts';
import { BodyError } from './body/index.ts';
import { inAskedWords } from './ceph-answers.ts';
import { isS3ErrorCode, type S3ErrorCode } from './error-table.ts';
import { httpDate } from './http-date.ts';
import { PolicyError } from './policy/index.ts';
import type { S3Call } from './s3-call.ts';
import { type ErrorFields, S3Error } from './s3-error.ts';
import { element, escapeXml, XML_DECLARATION } from './xml-writer.ts';

/** Codes whose message says which of many reasons it was; all others have AWS's one text. */
const OWN_MESSAGE: ReadonlySet<string> = new Set([
  'InvalidArgument',
  'InvalidRequest',
  'BadDigest',
  'AccessDenied',
  'InvalidBucketState',
  'BucketNotEmpty',
  'KMS.NotFoundException',
  'NotImplemented',
  'EntityTooLarge',
]);

/** Codes of the storage below, by their names there (no import: the layer knows no storage). */
const STORAGE_CODES: ReadonlyMap<string, S3ErrorCode> = new Map([
  ['KV_NO_SPACE', 'InsufficientStorage'],
  ['NO_SPACE', 'InsufficientStorage'],
  ['KV_BUSY', 'SlowDown'],
  ['KV_UNAVAILABLE', 'ServiceUnavailable'],
  ['KV_CLOSED', 'ServiceUnavailable'],
  ['KV_VIEW_CLOSED', 'SlowDown'],
]);

/**
 * Answers a failed request, exactly once. Where the answer has begun the connection is cut instead, so that the
 * client cannot take half an object for a whole one.
 */
export async function answerError(call: S3Call, error: unknown): Promise<void> {
  const { res, req } = call;
  if (error instanceof ClientGoneError || (req.destroyed && !req.complete) || res.destroyed) {
    call.errorCode = 'ClientGone';
    if (!res.headersSent) call.status = 499;
    res.destroy();
    return;
  }
  const refusal = inAskedWords(call, explainError(call, error));
  call.errorCode = refusal.code;
  if (res.headersSent) {
    res.destroy();
    return;
  }
  if (call.method === 'HEAD' || refusal.status === 304) {
    await sendEmpty(call, refusal.status, refusal.headers);
    return;
  }
  if (call.website) {
    await sendText(
      call,
      refusal.status,
      'text/html; charset=utf-8',
      errorPage(call, refusal),
      refusal.headers,
    );
    return;
  }
  await sendXml(call, refusal.status, errorDocument(call, refusal), refusal.headers);
}

/** A refusal as a page that a person can read. */
function errorPage(call: S3Call, refusal: S3Error): string {
  const title = escapeXml(`${refusal.status} ${STATUS_CODES[refusal.status] ?? refusal.code}`);
  const ids = { RequestId: call.requestId, HostId: call.service.hostId };
  // Of the document that a website has for errors.
  const missing =
    refusal.cause instanceof S3Error
      ? `<h3>An Error Occurred While Attempting to Retrieve a Custom Error Document</h3>\n${factList(refusal.cause, {})}`
      : '';
  return `<html>\n<head><title>${title}</title></head>\n<body>\n<h1>${title}</h1>\n${factList(refusal, ids)}${missing}<hr/>\n</body>\n</html>\n`;
}

function factList(refusal: S3Error, more: ErrorFields): string {
  const facts = { Code: refusal.code, Message: refusal.message, ...refusal.fields, ...more };
  const list = Object.entries(facts)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `<li>${name}: ${escapeXml(String(value))}</li>\n`);
  return `<ul>\n${list.join('')}</ul>\n`;
}

/** The S3 error that stands for `error`. The unknown is logged with its stack and becomes InternalError. */
export function explainError(call: S3Call, error: unknown): S3Error {
  if (error instanceof S3Error) return error;
  if (error instanceof ObjectStoreError) return explainStoreError(call, error);
  if (error instanceof AuthError) explainSignature(call, error);
  if (error instanceof AuthError || error instanceof BodyError) {
    if (isS3ErrorCode(error.code)) {
      return new S3Error(error.code, error.message, digestAsShown(call, error.details));
    }
  }
  if (error instanceof PolicyError) return new S3Error(error.code, error.message);
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  const known = typeof code === 'string' ? STORAGE_CODES.get(code) : undefined;
  if (known !== undefined) {
    call.service.logger.warn({ requestId: call.requestId, code }, 'the storage refused a request');
    const isUnavailable = known === 'ServiceUnavailable';
    return new S3Error(known, isUnavailable ? call.service.unavailableBecause() : undefined);
  }
  call.service.logger.error(
    { requestId: call.requestId, operation: call.operation, err: error },
    'a request failed for an unforeseen reason',
  );
  return new S3Error('InternalError');
}

/** AWS shows the MD5 that a part should have in base64, and that of an object in hexadecimal. */
function digestAsShown(call: S3Call, details: ErrorFields): ErrorFields {
  const { ExpectedDigest } = details;
  if (call.operation !== 'UploadPart' || typeof ExpectedDigest !== 'string') return details;
  return { ...details, ExpectedDigest: Buffer.from(ExpectedDigest, 'hex').toString('base64') };
}

/** Tells the operator what the server signed. Safety: never the secret, nor a key made from it. */
function explainSignature(call: S3Call, error: AuthError): void {
  if (error.code !== 'SignatureDoesNotMatch') return;
  const { stringToSign, canonicalRequest, details } = error;
  call.service.logger.warn(
    {
      requestId: call.requestId,
      accessKeyId: details['AWSAccessKeyId'],
      signatureProvided: details['SignatureProvided'],
      canonicalRequest,
      stringToSign,
    },
    'a signature does not match: the client signed something else than the server saw',
  );
}

function explainStoreError(call: S3Call, error: ObjectStoreError): S3Error {
  if (!isS3ErrorCode(error.code)) return new S3Error('InternalError');
  const message = OWN_MESSAGE.has(error.code) ? error.message : undefined;
  const { operation: Operation, key: Key } = error.details;
  const fields = {
    ...storeErrorFields(call, error.code, error.details),
    ...(Operation !== undefined && { Key, Operation }),
  };
  return new S3Error(error.code, message, fields, storeErrorHeaders(error));
}

function storeErrorFields(call: S3Call, code: S3ErrorCode, details: ErrorDetails): ErrorFields {
  switch (code) {
    case 'NoSuchBucket':
    case 'InvalidBucketName':
    case 'BucketAlreadyExists':
    case 'BucketAlreadyOwnedByYou':
    case 'BucketNotEmpty':
      return { BucketName: details.bucket ?? call.bucket };
    case 'NoSuchKey':
      return { Key: details.key ?? call.key };
    case 'NoSuchVersion':
      return { Key: details.key ?? call.key, VersionId: details.versionId };
    case 'InvalidArgument':
      return details.versionId === undefined
        ? {}
        : { ArgumentName: 'versionId', ArgumentValue: details.versionId };
    case 'MethodNotAllowed':
      return { Method: call.method, ResourceType: 'DeleteMarker' };
    case 'NoSuchUpload':
      return { UploadId: details.uploadId ?? call.parameter('uploadId') };
    case 'PreconditionFailed':
      return { Condition: details.condition };
    case 'ConditionalRequestConflict':
      return { Condition: details.condition, Key: details.key ?? call.key };
    case 'InvalidRange':
      return { RangeRequested: call.headers.get('range'), ActualObjectSize: details.sizeBytes };
    case 'InvalidPartNumber':
      return { PartNumberRequested: details.partNumber, ActualPartCount: details.partCount };
    case 'InvalidPart':
    case 'EntityTooSmall':
      return {
        PartNumber: details.partNumber,
        ETag: details.etag,
        UploadId: details.uploadId,
        ...(code === 'EntityTooSmall' && {
          MinSizeAllowed: details.minSizeBytes,
          ProposedSize: details.sizeBytes,
        }),
      };
    case 'InvalidPartOrder':
      return { UploadId: details.uploadId };
    default:
      return {};
  }
}

function storeErrorHeaders(error: ObjectStoreError): string[] {
  const { etag, modifiedMs, sizeBytes, versionId } = error.details;
  if (error.details.deleteMarker === true) {
    const marker = ['x-amz-delete-marker', 'true', 'x-amz-version-id', versionId ?? 'null'];
    if (error.code !== 'MethodNotAllowed') return marker;
    return [...marker, 'Allow', 'DELETE', 'Last-Modified', httpDate(modifiedMs ?? 0)];
  }
  if (error.code === 'InvalidRange' && sizeBytes !== undefined) {
    return ['Content-Range', `bytes */${sizeBytes}`];
  }
  const headers: string[] = [];
  if (error.code !== 'NotModified') return headers;
  if (etag !== undefined) headers.push('ETag', `"${etag}"`);
  if (modifiedMs !== undefined) headers.push('Last-Modified', httpDate(modifiedMs));
  return headers;
}

/** The `<Error>` document. Source: AWS API reference, "REST error responses". */
export function errorDocument(call: S3Call, error: S3Error): string {
  let inner = element('Code', error.code) + element('Message', error.message);
  for (const [name, value] of Object.entries(error.fields)) {
    if (value !== undefined) inner += element(name, String(value));
  }
  inner += element('Resource', call.knownTarget?.path ?? call.req.url?.split('?')[0] ?? '/');
  inner += element('RequestId', call.requestId) + element('HostId', call.service.hostId);
  // Why: S3 leaves quotes as they are in this document, and some clients look for them in the text of it.
  return `${XML_DECLARATION}<Error>${inner.replaceAll('&quot;', '"')}</Error>`;
}
