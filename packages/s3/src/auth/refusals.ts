import { hideSecrets } from '../secret-headers.ts';
import { formatErrorDate } from './amz-date.ts';
import { AuthError } from './auth-error.ts';

export function missingDate(): AuthError {
  return new AuthError(
    'AccessDenied',
    'AWS authentication requires a valid Date or x-amz-date header',
  );
}

export function unknownAccessKey(accessKeyId: string): AuthError {
  return new AuthError(
    'InvalidAccessKeyId',
    'The AWS Access Key Id you provided does not exist in our records.',
    { AWSAccessKeyId: accessKeyId },
  );
}

/** A presigned request came too late. `details` are further elements of the error document. */
export function expired(
  expiresMs: number,
  nowMs: number,
  details: Readonly<Record<string, string>> = {},
): AuthError {
  return new AuthError('AccessDenied', 'Request has expired', {
    ...details,
    Expires: formatErrorDate(expiresMs),
    ServerTime: formatErrorDate(nowMs),
  });
}

/** `requestTime` is the time of the request as it was sent. */
export function timeTooSkewed(requestTime: string, nowMs: number, maxSkewMs: number): AuthError {
  return new AuthError(
    'RequestTimeTooSkewed',
    'The difference between the request time and the current time is too large.',
    {
      RequestTime: requestTime,
      ServerTime: formatErrorDate(nowMs),
      MaxAllowedSkewMilliseconds: String(maxSkewMs),
    },
  );
}

/** Shows what the server signed, so that the client's author can compare; but no customer's key. */
export function signatureDoesNotMatch(
  claim: { readonly accessKeyId: string; readonly signature: string },
  signed: string,
  canonical?: string,
): AuthError {
  const stringToSign = hideSecrets(signed);
  const canonicalRequest = canonical === undefined ? undefined : hideSecrets(canonical);
  return new AuthError(
    'SignatureDoesNotMatch',
    'The request signature we calculated does not match the signature you provided. Check your key ' +
      'and signing method.',
    {
      AWSAccessKeyId: claim.accessKeyId,
      StringToSign: stringToSign,
      SignatureProvided: claim.signature,
      StringToSignBytes: spacedHex(stringToSign),
      ...(canonicalRequest !== undefined && {
        CanonicalRequest: canonicalRequest,
        CanonicalRequestBytes: spacedHex(canonicalRequest),
      }),
    },
  );
}

function spacedHex(text: string): string {
  return Buffer.from(text, 'latin1')
    .toString('hex')
    .replace(/..(?=.)/g, '$& ');
}
