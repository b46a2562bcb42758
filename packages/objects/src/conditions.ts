/**
 * The conditional headers. What is decided here is decided on one version of the object's record;
 * a write then pins that version in its transaction, so the decision cannot be overtaken.
 * Source: RFC 9110 section 13.2.2; Amazon S3 API, GetObject, PutObject, DeleteObject.
 */
import { ObjectStoreError } from './errors.ts';
import type { DeleteObjectRequest, ObjectConditions } from './object-store.ts';

/** What of an object the conditions look at. */
export interface Validators {
  readonly etag: string;
  readonly modifiedMs: number;
  readonly sizeBytes: number;
}

/** Read of an object that is there: PreconditionFailed, or NotModified with the object's validators. */
export function checkReadConditions(
  conditions: ObjectConditions | undefined,
  current: Validators,
): void {
  if (conditions === undefined) return;
  const { ifMatch, ifNoneMatch, ifModifiedSinceMs, ifUnmodifiedSinceMs } = conditions;
  if (ifMatch !== undefined) {
    if (!matches(ifMatch, current)) throw preconditionFailed('If-Match');
  } else if (ifUnmodifiedSinceMs !== undefined && modifiedAfter(current, ifUnmodifiedSinceMs)) {
    throw preconditionFailed('If-Unmodified-Since');
  }
  if (ifNoneMatch !== undefined) {
    if (matches(ifNoneMatch, current)) throw notModified('If-None-Match', current);
  } else if (ifModifiedSinceMs !== undefined && !modifiedAfter(current, ifModifiedSinceMs)) {
    throw notModified('If-Modified-Since', current);
  }
}

/** Source of a copy or a rename: as a read, but always PreconditionFailed, with the name of its header, which has a prefix. */
export function checkCopySourceConditions(
  conditions: ObjectConditions | undefined,
  current: Validators,
  prefix: string = 'x-amz-copy-source-',
): void {
  try {
    checkReadConditions(conditions, current);
  } catch (error) {
    if (!(error instanceof ObjectStoreError)) throw error;
    throw preconditionFailed(`${prefix}${error.details.condition}`);
  }
}

/** Put, Complete, or the destination of a copy. */
export function checkWriteConditions(
  conditions: ObjectConditions | undefined,
  current: Validators | undefined,
  key: string,
): void {
  if (conditions === undefined) return;
  const { ifMatch, ifNoneMatch, ifUnmodifiedSinceMs } = conditions;
  if (ifMatch !== undefined) {
    if (current === undefined) throw noSuchKey(key);
    if (!matches(ifMatch, current)) throw preconditionFailed('If-Match');
  } else if (ifUnmodifiedSinceMs !== undefined && current !== undefined) {
    if (modifiedAfter(current, ifUnmodifiedSinceMs))
      throw preconditionFailed('If-Unmodified-Since');
  }
  if (ifNoneMatch !== undefined && current !== undefined && matches(ifNoneMatch, current)) {
    throw preconditionFailed('If-None-Match');
  }
}

/**
 * Delete of what is shown: as a write, and what S3 calls `x-amz-if-match-size` and `-last-modified-time`. Why only an ETag
 * is asked for where nothing is there: AWS answers NoSuchKey to it, and success to the other two.
 */
export function checkDeleteConditions(
  conditions: DeleteObjectRequest['conditions'],
  current: Validators | undefined,
  key: string,
): void {
  if (conditions === undefined) return;
  checkWriteConditions(conditions, current, key);
  if (current === undefined) return;
  const { ifSizeBytes, ifLastModifiedMs } = conditions;
  if (ifSizeBytes !== undefined && ifSizeBytes !== current.sizeBytes) {
    throw preconditionFailed('x-amz-if-match-size');
  }
  if (ifLastModifiedMs !== undefined && seconds(ifLastModifiedMs) !== seconds(current.modifiedMs)) {
    throw preconditionFailed('x-amz-if-match-last-modified-time');
  }
}

export function noSuchKey(key: string): ObjectStoreError {
  return new ObjectStoreError('NoSuchKey', 'The specified key does not exist.', { key });
}

function matches(wanted: '*' | readonly string[], current: Validators): boolean {
  return wanted === '*' || wanted.includes(current.etag) || wanted.includes('*');
}

/** S3 shows whole seconds, so a client can only compare whole seconds. */
function modifiedAfter(current: Validators, timeMs: number): boolean {
  return seconds(current.modifiedMs) > seconds(timeMs);
}

function seconds(timeMs: number): number {
  return Math.floor(timeMs / 1000);
}

function preconditionFailed(condition: string): ObjectStoreError {
  return new ObjectStoreError(
    'PreconditionFailed',
    'At least one of the pre-conditions you specified did not hold',
    { condition },
  );
}

function notModified(condition: string, current: Validators): ObjectStoreError {
  const { etag, modifiedMs, sizeBytes } = current;
  return new ObjectStoreError('NotModified', 'Not Modified', {
    condition,
    etag,
    modifiedMs,
    sizeBytes,
  });
}
