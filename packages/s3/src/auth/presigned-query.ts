import { parseAmzDate } from './amz-date.ts';
import { AuthError } from './auth-error.ts';
import type { QueryParameter } from './canonical-url.ts';
import type { CredentialRules } from './credential.ts';
import { parseCredential } from './credential.ts';
import { payloadCheck } from './payload-check.ts';
import type { RequestHeaders } from './request-headers.ts';
import type { SignatureClaim } from './signature-claim.ts';

const ALGORITHM = 'AWS4-HMAC-SHA256';
const MAX_EXPIRES_SECONDS = 604_800;
/** Parameters of the signature itself, and checksums of the empty body that the URL was signed with. */
const NOT_HOISTED =
  /^x-amz-(algorithm|credential|date|expires|signature|signedheaders|content-sha256|sdk-checksum-algorithm|checksum-(?!algorithm$|type$|mode$).*)$/;
/** Why the conditions: without its own a write would go over what is there. */
const HOISTED = /^(x-amz-.*|if-match|if-none-match)$/;
const MARKS = ['X-Amz-Algorithm', 'X-Amz-Credential', 'X-Amz-Signature'];

export function isPresigned(parameters: readonly QueryParameter[]): boolean {
  return parameters.some(({ name }) => MARKS.includes(name));
}

/**
 * The claim of a presigned request.
 *
 * Source: Amazon S3 API Reference, "Authenticating Requests: Using Query Parameters".
 */
export function parsePresignedQuery(
  parameters: readonly QueryParameter[],
  headers: RequestHeaders,
  rules: CredentialRules,
): SignatureClaim {
  const values = amzValues(parameters);
  const algorithm = required(values, 'X-Amz-Algorithm');
  const credentialText = required(values, 'X-Amz-Credential');
  const amzDate = required(values, 'X-Amz-Date');
  const expires = required(values, 'X-Amz-Expires');
  const signedHeaders = required(values, 'X-Amz-SignedHeaders');
  const signature = required(values, 'X-Amz-Signature');
  checkAlgorithm(algorithm);
  const credential = parseCredential(credentialText, rules, (reason, details) =>
    invalid(`Error parsing the X-Amz-Credential parameter; ${reason}`, details),
  );
  const requestMs = parseAmzDate(amzDate);
  if (requestMs === undefined) {
    throw invalid("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"");
  }
  if (!amzDate.startsWith(credential.scope.date)) {
    throw invalid(
      `Invalid credential date "${credential.scope.date}". This date is not the same as X-Amz-Date: "${amzDate.slice(0, 8)}".`,
    );
  }
  const payloadHash =
    values.get('X-Amz-Content-Sha256') ?? headers.get('x-amz-content-sha256') ?? 'UNSIGNED-PAYLOAD';
  return {
    via: 'query',
    credential,
    amzDate,
    requestMs,
    expiresSeconds: parseExpires(expires),
    signedHeaders,
    signature,
    payloadHash,
    payload: payloadCheck(payloadHash),
  };
}

/**
 * The headers together with those that the URL carries as parameters, one character a byte like them; a header
 * sent has precedence.
 */
export function withHoistedHeaders(
  headers: RequestHeaders,
  parameters: readonly QueryParameter[],
): RequestHeaders {
  const all = new Map(headers);
  for (const parameter of parameters) {
    const name = parameter.name.toLowerCase();
    const hoisted = HOISTED.test(name) && !NOT_HOISTED.test(name) && !all.has(name);
    if (hoisted) all.set(name, Buffer.from(decodeValue(parameter.value)).toString('latin1'));
  }
  return all;
}

function invalid(message: string, details: Readonly<Record<string, string>> = {}): AuthError {
  return new AuthError('AuthorizationQueryParametersError', message, details);
}

function refused(message: string): AuthError {
  return new AuthError('AccessDenied', message);
}

/** The X-Amz-* parameters, decoded. One given twice could be read two ways, so it is refused. */
function amzValues(parameters: readonly QueryParameter[]): Map<string, string> {
  const values = new Map<string, string>();
  for (const { name, value } of parameters) {
    if (!name.startsWith('X-Amz-')) continue;
    if (values.has(name)) throw invalid(`The query parameter ${name} was given more than once.`);
    values.set(name, decodeValue(value));
  }
  return values;
}

function decodeValue(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    // Not UTF-8: no value that is accepted looks like this, so the comparison that follows refuses it.
    return value;
  }
}

function required(values: ReadonlyMap<string, string>, name: string): string {
  const value = values.get(name);
  if (value !== undefined && value !== '') return value;
  throw invalid(
    'Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, ' +
      'X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.',
  );
}

function checkAlgorithm(algorithm: string): void {
  if (algorithm === ALGORITHM) return;
  if (algorithm === 'AWS4-ECDSA-P256-SHA256') {
    throw new AuthError(
      'NotImplemented',
      'Signature Version 4A (AWS4-ECDSA-P256-SHA256) is not implemented; sign with AWS4-HMAC-SHA256.',
    );
  }
  throw invalid('X-Amz-Algorithm only supports "AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256"');
}

/** 1 to 604800 seconds (seven days). */
function parseExpires(text: string): number {
  const seconds = /^[+-]?[0-9]+$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isNaN(seconds)) throw invalid('X-Amz-Expires should be a number');
  if (seconds < 0) throw invalid('X-Amz-Expires must be non-negative');
  if (seconds === 0) throw refused('X-Amz-Expires must be at least one second');
  if (seconds > MAX_EXPIRES_SECONDS) {
    throw invalid(
      'X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must ' +
        'be less than 604800 seconds',
    );
  }
  return seconds;
}
