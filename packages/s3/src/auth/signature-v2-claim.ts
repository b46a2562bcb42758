import { parseDateHeader } from './amz-date.ts';
import { AuthError } from './auth-error.ts';
import type { PayloadCheck } from './authentication.ts';
import type { QueryParameter } from './canonical-url.ts';
import { decodeBytes } from './canonical-url.ts';
import { plainPayload } from './payload-check.ts';
import { missingDate } from './refusals.ts';
import type { RequestHeaders } from './request-headers.ts';

const SCHEME = 'AWS ';
/** Headers other than `x-amz-*` that a presigned URL carries: those that are signed. */
const CARRIED_HEADERS = ['content-md5', 'content-type'];
const SIGNATURE_PARAMETERS = ['AWSAccessKeyId', 'Expires', 'Signature'] as const;
/** Seconds since 1970, for the next 30,000 years. */
const EPOCH_SECONDS = /^[0-9]{1,12}$/;
const CONTROL = /[\u0000-\u001f\u007f]/;

/** What a request says about its Signature Version 2, parsed but not yet believed. */
export interface SignatureV2Claim {
  readonly via: 'header' | 'query';
  readonly accessKeyId: string;
  /** Base64. */
  readonly signature: string;
  /** Of a request signed in the header: when it was signed. Of a presigned one: when it expires. */
  readonly timeMs: number;
  /** The time as it was sent. */
  readonly timeText: string;
  /** What is signed as the date: `Date`, nothing beside an `x-amz-date`, or `Expires`. */
  readonly dateLine: string;
  readonly payload: PayloadCheck;
  /** The request's headers; of a presigned request, with those that the URL carries. */
  readonly headers: RequestHeaders;
}

/** Whether the header is `AWS ACCESSKEY:SIGNATURE`. */
export function isVersion2Header(authorization: string): boolean {
  return authorization.startsWith(SCHEME) && authorization.includes(':');
}

/** A request presigned with Signature Version 2, whole or in part. */
export function isVersion2Query(parameters: readonly QueryParameter[]): boolean {
  return parameters.some(({ name }) => name === 'AWSAccessKeyId' || name === 'Signature');
}

/**
 * The claim of an `Authorization` header that `isVersion2Header`.
 *
 * Source: Amazon S3 Developer Guide, "Signing and Authenticating REST Requests".
 */
export function parseVersion2Header(
  authorization: string,
  headers: RequestHeaders,
): SignatureV2Claim {
  const colon = authorization.lastIndexOf(':');
  const accessKeyId = authorization.slice(SCHEME.length, colon).trim();
  const signature = authorization.slice(colon + 1).trim();
  if (accessKeyId === '' || signature === '') {
    throw new AuthError(
      'InvalidArgument',
      'AWS authorization header is invalid.  Expected AwsAccessKeyId:signature',
      { ArgumentName: 'Authorization', ArgumentValue: authorization },
    );
  }
  const amzDate = headers.get('x-amz-date');
  const timeText = amzDate ?? headers.get('date') ?? '';
  const timeMs = parseDateHeader(timeText);
  if (timeMs === undefined) throw missingDate();
  return {
    via: 'header',
    accessKeyId,
    signature,
    timeMs,
    timeText,
    dateLine: amzDate === undefined ? timeText : '',
    payload: plainPayload(headers, 'Signature Version 2'),
    headers,
  };
}

/**
 * The claim of a presigned request.
 *
 * Source: the same page, "Query String Request Authentication Alternative".
 */
export function parseVersion2Query(
  parameters: readonly QueryParameter[],
  sent: RequestHeaders,
): SignatureV2Claim {
  const [accessKeyId, expires, signature] = SIGNATURE_PARAMETERS.map((name) =>
    single(parameters, name),
  ) as [string, string, string];
  if (!EPOCH_SECONDS.test(expires)) {
    throw new AuthError('AccessDenied', `Invalid date (should be seconds since epoch): ${expires}`);
  }
  const headers = withCarriedHeaders(sent, parameters);
  return {
    via: 'query',
    accessKeyId,
    signature,
    timeMs: Number(expires) * 1000,
    timeText: expires,
    dateLine: expires,
    payload: plainPayload(headers, 'Signature Version 2'),
    headers,
  };
}

/** A parameter of the signature. One given twice could be read two ways, so it is refused. */
function single(parameters: readonly QueryParameter[], wanted: string): string {
  const [first, ...more] = parameters.filter(({ name }) => name === wanted);
  if (first !== undefined && first.value !== '' && more.length === 0) {
    return decodeBytes(first.value);
  }
  throw new AuthError(
    'AccessDenied',
    'Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters',
  );
}

/**
 * The headers together with those that the URL carries as parameters; a header sent has precedence.
 *
 * Safety: what is signed is what the operation sees. A line break in a value would let one header pass
 * for two in the string to sign, so it is refused.
 */
function withCarriedHeaders(
  sent: RequestHeaders,
  parameters: readonly QueryParameter[],
): RequestHeaders {
  const all = new Map(sent);
  for (const parameter of parameters) {
    const name = parameter.name.toLowerCase();
    if (!name.startsWith('x-amz-') && !CARRIED_HEADERS.includes(name)) continue;
    const value = decodeBytes(parameter.value);
    if (CONTROL.test(value) || name.includes('%')) {
      throw new AuthError(
        'InvalidArgument',
        'A header in the query has a character no header has.',
        {
          ArgumentName: parameter.name,
          ArgumentValue: parameter.value,
        },
      );
    }
    if (!all.has(name)) all.set(name, value);
  }
  return all;
}
