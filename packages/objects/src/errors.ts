import { OperatingError } from '@holdfast/bytes';

/** S3's own names where S3 has one. */
export type ObjectStoreErrorCode =
  | 'AccessDenied'
  | 'BadDigest'
  | 'BucketAlreadyExists'
  | 'BucketAlreadyOwnedByYou'
  | 'BucketNotEmpty'
  | 'ConditionalRequestConflict'
  | 'EntityTooLarge'
  | 'EntityTooSmall'
  | 'IdempotencyParameterMismatch'
  | 'IncompleteBody'
  | 'InvalidArgument'
  | 'InvalidBucketName'
  | 'InvalidPart'
  | 'InvalidPartNumber'
  | 'InvalidPartOrder'
  | 'InvalidRange'
  | 'InvalidRequest'
  | 'KeyTooLongError'
  | 'KMS.NotFoundException'
  | 'InvalidBucketState'
  | 'MetadataTooLarge'
  | 'MethodNotAllowed'
  | 'NoSuchBucket'
  | 'NoSuchKey'
  | 'NoSuchUpload'
  | 'NoSuchVersion'
  | 'NotCurrent'
  | 'NotImplemented'
  | 'NotModified'
  | 'OperationAborted'
  | 'PreconditionFailed';

/** Facts about the refusal that S3 puts into the error document or into headers. */
export interface ErrorDetails {
  /** Which conditional header did not hold: `If-Match`, … */
  readonly condition?: string;
  readonly bucket?: string;
  readonly key?: string;
  /** NoSuchKey: what is not there is the source of a copy, and not `key` of the request's bucket. */
  readonly source?: { readonly bucket: string; readonly key: string };
  readonly uploadId?: string;
  /** As clients write it. With `deleteMarker`: of the delete marker. */
  readonly versionId?: string;
  /** A delete marker is why there is no object. */
  readonly deleteMarker?: boolean;
  /** Of a transaction: the operation that was refused, from 0. */
  readonly operation?: number;
  readonly partNumber?: number;
  /** InvalidPartNumber: how many parts the object has; 1 where it was put as a whole. */
  readonly partCount?: number;
  /** InvalidRange: the object's size. NotModified: its validators. */
  readonly sizeBytes?: number;
  /** EntityTooSmall: what a part must have. */
  readonly minSizeBytes?: number;
  readonly etag?: string;
  readonly modifiedMs?: number;
}

/** A refusal: nothing was stored or changed. */
export class ObjectStoreError extends OperatingError {
  override readonly code: ObjectStoreErrorCode;
  readonly details: ErrorDetails;

  constructor(
    code: ObjectStoreErrorCode,
    message: string,
    details: ErrorDetails = {},
    options?: { readonly cause?: unknown },
  ) {
    super(message, options);
    this.code = code;
    this.details = details;
  }
}
