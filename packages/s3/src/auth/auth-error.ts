import { OperatingError } from '@holdfast/bytes';

/** S3's own names for what can be wrong with a request's signature. */
export type AuthErrorCode =
  | 'AccessDenied'
  | 'AuthorizationHeaderMalformed'
  | 'AuthorizationQueryParametersError'
  | 'InvalidAccessKeyId'
  | 'InvalidArgument'
  | 'InvalidRequest'
  | 'InvalidToken'
  | 'MissingSecurityHeader'
  | 'NotImplemented'
  | 'RequestTimeTooSkewed'
  | 'SignatureDoesNotMatch';

/**
 * The request is not who it says it is, or does not say it properly. Nothing was done.
 *
 * Source: Amazon S3 API Reference, "Error responses".
 */
export class AuthError extends OperatingError {
  override readonly code: AuthErrorCode;
  /**
   * Further elements of the error document, by their names there: `StringToSign`, `Region`, … Safe to
   * show to the client: never a secret or a key derived from one.
   */
  readonly details: Readonly<Record<string, string>>;

  constructor(
    code: AuthErrorCode,
    message: string,
    details: Readonly<Record<string, string>> = {},
  ) {
    super(message);
    this.code = code;
    this.details = details;
  }

  /** SignatureDoesNotMatch: what the server signed, for the operator's log. */
  get canonicalRequest(): string | undefined {
    return this.details['CanonicalRequest'];
  }

  /** SignatureDoesNotMatch: what the server signed, for the operator's log. */
  get stringToSign(): string | undefined {
    return this.details['StringToSign'];
  }
}
