import { OperatingError } from '@holdfast/bytes';

/** S3's own names where S3 has one. */
export type ObjectStoreErrorCode =
  | 'BadDigest'
  | 'BucketAlreadyExists'
  | 'BucketAlreadyOwnedByYou'
  | 'BucketNotEmpty'
  | 'ConditionalRequestConflict'
  | 'EntityTooLarge'
  | 'EntityTooSmall'
  | 'IncompleteBody'
  | 'InvalidArgument'
  | 'InvalidBucketName'
  | 'InvalidPart'
  | 'InvalidPartOrder'
  | 'InvalidRange'
  | 'InvalidRequest'
  | 'KeyTooLongError'
  | 'MetadataTooLarge'
  | 'NoSuchBucket'
  | 'NoSuchKey'
  | 'NoSuchUpload'
  | 'NotModified'
  | 'OperationAborted'
  | 'PreconditionFailed';

/** Facts about the refusal that S3 puts into the error document or into headers. */
export interface ErrorDetails {
  /** Which conditional header did not hold: `If-Match`, … */
  readonly condition?: string;
  readonly bucket?: string;
  readonly key?: string;
  readonly uploadId?: string;
  readonly partNumber?: number;
  /** InvalidRange: the object's size. NotModified: its validators. */
  readonly sizeBytes?: number;
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
