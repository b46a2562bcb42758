import { OperatingError } from '@holdfast/bytes';

/** S3's own names for what can be wrong with a request's body. */
export type BodyErrorCode =
  | 'BadDigest'
  | 'EntityTooLarge'
  | 'IncompleteBody'
  | 'InvalidArgument'
  | 'InvalidChunkSizeError'
  | 'InvalidDigest'
  | 'InvalidRequest'
  | 'MalformedTrailerError'
  | 'MissingContentLength'
  | 'NotImplemented'
  | 'SignatureDoesNotMatch'
  | 'XAmzContentSHA256Mismatch';

/**
 * The body is not what the headers promise. Nothing of it may be stored.
 *
 * Source: Amazon S3 API Reference, "Error responses".
 */
export class BodyError extends OperatingError {
  override readonly code: BodyErrorCode;
  /** Further elements of the error document, by their names there. Safe to show to the client. */
  readonly details: Readonly<Record<string, string>>;

  constructor(
    code: BodyErrorCode,
    message: string,
    details: Readonly<Record<string, string>> = {},
    options?: { readonly cause?: unknown },
  ) {
    super(message, options);
    this.code = code;
    this.details = details;
  }
}
