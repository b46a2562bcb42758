import { formatAmzDate, parseAmzDate, parseDateHeader } from './amz-date.ts';
import { AuthError } from './auth-error.ts';
import type { CredentialRules } from './credential.ts';
import { parseCredential } from './credential.ts';
import { payloadCheck } from './payload-check.ts';
import { missingDate } from './refusals.ts';
import type { RequestHeaders } from './request-headers.ts';
import type { SignatureClaim } from './signature-claim.ts';

const ALGORITHM = 'AWS4-HMAC-SHA256';

/**
 * The claim of an `Authorization` header.
 *
 * Source: Amazon S3 API Reference, "Authenticating Requests: Using the Authorization Header".
 */
export function parseAuthorizationHeader(
  authorization: string,
  headers: RequestHeaders,
  rules: CredentialRules,
): SignatureClaim {
  const space = authorization.indexOf(' ');
  const algorithm = space === -1 ? authorization : authorization.slice(0, space);
  if (algorithm !== ALGORITHM) throw otherAlgorithm(algorithm, authorization);
  const fields = parseFields(space === -1 ? '' : authorization.slice(space + 1));
  const credential = parseCredential(fields.credential, rules, malformed);
  const time = requestTime(headers);
  if (!time.amzDate.startsWith(credential.scope.date)) {
    throw malformed(
      `Invalid credential date "${credential.scope.date}". This date is not the same as X-Amz-Date: "${time.amzDate.slice(0, 8)}".`,
    );
  }
  const payloadHash = headers.get('x-amz-content-sha256');
  if (payloadHash === undefined) {
    throw new AuthError(
      'InvalidRequest',
      'Missing required header for this request: x-amz-content-sha256',
    );
  }
  const { signedHeaders, signature } = fields;
  const payload = payloadCheck(payloadHash);
  const { amzDate, requestMs } = time;
  return {
    via: 'header',
    credential,
    amzDate,
    requestMs,
    signedHeaders,
    signature,
    payloadHash,
    payload,
  };
}

function malformed(reason: string, details: Readonly<Record<string, string>> = {}): AuthError {
  return new AuthError(
    'AuthorizationHeaderMalformed',
    `The authorization header is malformed; ${reason}`,
    details,
  );
}

interface Fields {
  readonly credential: string;
  readonly signedHeaders: string;
  readonly signature: string;
}

function parseFields(text: string): Fields {
  let credential: string | undefined;
  let signedHeaders: string | undefined;
  let signature: string | undefined;
  for (const part of text.split(',')) {
    const field = part.trim();
    const equals = field.indexOf('=');
    const value = field.slice(equals + 1);
    const name = equals === -1 ? '' : field.slice(0, equals);
    if (name === 'Credential' && credential === undefined) credential = value;
    else if (name === 'SignedHeaders' && signedHeaders === undefined) signedHeaders = value;
    else if (name === 'Signature' && signature === undefined) signature = value;
    else throw incompleteFields();
  }
  if (!credential || !signedHeaders || !signature) throw incompleteFields();
  return { credential, signedHeaders, signature };
}

function incompleteFields(): AuthError {
  return malformed(
    'the authorization header requires three components: Credential, SignedHeaders, and Signature.',
  );
}

/** `x-amz-date`, and `Date` where it is not sent. */
function requestTime(headers: RequestHeaders): { amzDate: string; requestMs: number } {
  const amzDate = headers.get('x-amz-date');
  if (amzDate !== undefined) {
    const requestMs = parseAmzDate(amzDate);
    if (requestMs !== undefined) return { amzDate, requestMs };
    // Why: S3 allows the HTTP form here too, for clients that can set only x-amz-date.
    const httpMs = parseDateHeader(amzDate);
    if (httpMs !== undefined) return { amzDate: formatAmzDate(httpMs), requestMs: httpMs };
  } else {
    const requestMs = parseDateHeader(headers.get('date') ?? '');
    if (requestMs !== undefined) return { amzDate: formatAmzDate(requestMs), requestMs };
  }
  throw missingDate();
}

function otherAlgorithm(algorithm: string, authorization: string): AuthError {
  if (algorithm === 'AWS4-ECDSA-P256-SHA256') {
    return new AuthError(
      'NotImplemented',
      'Signature Version 4A (AWS4-ECDSA-P256-SHA256) is not implemented; sign with AWS4-HMAC-SHA256.',
    );
  }
  const message =
    algorithm === 'AWS'
      ? 'AWS authorization header is invalid.  Expected AwsAccessKeyId:signature'
      : authorization.includes(' ')
        ? 'Unsupported Authorization Type'
        : "Authorization header is invalid -- one and only one ' ' (space) required";
  return new AuthError('InvalidArgument', message, {
    ArgumentName: 'Authorization',
    ArgumentValue: authorization,
  });
}
