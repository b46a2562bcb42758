import { AuthError } from './auth-error.ts';
import type { PayloadCheck } from './authentication.ts';
import type { RequestHeaders } from './request-headers.ts';

const SHA256_HEX = /^[0-9a-fA-F]{64}$/;

/**
 * What a value of `x-amz-content-sha256` says about the body. Throws `AuthError` InvalidArgument, or
 * NotImplemented for the modes of Signature Version 4A.
 *
 * Source: Amazon S3 API Reference, "Authenticating Requests (AWS Signature Version 4)".
 */
export function payloadCheck(value: string): PayloadCheck {
  switch (value) {
    case 'UNSIGNED-PAYLOAD':
      return 'unsigned';
    case 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD':
      return 'streaming-signed';
    case 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER':
      return 'streaming-signed-trailer';
    case 'STREAMING-UNSIGNED-PAYLOAD-TRAILER':
      return 'streaming-unsigned-trailer';
    case 'STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD':
    case 'STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER':
      throw new AuthError(
        'NotImplemented',
        'Signature Version 4A (AWS4-ECDSA-P256-SHA256) is not implemented; sign with AWS4-HMAC-SHA256.',
      );
    default:
      if (SHA256_HEX.test(value)) return { sha256: value.toLowerCase() };
      throw new AuthError(
        'InvalidArgument',
        'x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, ' +
          'STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, ' +
          'STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD, STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER ' +
          'or a valid sha256 value.',
        { ArgumentName: 'x-amz-content-sha256', ArgumentValue: value },
      );
  }
}

/**
 * How the body must be checked where there is no key for signatures of its chunks: never a signed
 * streaming mode. `who` says in the refusal what cannot have one.
 */
export function plainPayload(headers: RequestHeaders, who: string): PayloadCheck {
  const value = headers.get('x-amz-content-sha256');
  const payload = value === undefined ? 'unsigned' : payloadCheck(value);
  if (payload === 'streaming-signed' || payload === 'streaming-signed-trailer') {
    throw new AuthError('InvalidRequest', `${who} cannot have x-amz-content-sha256: ${value}.`);
  }
  return payload;
}
