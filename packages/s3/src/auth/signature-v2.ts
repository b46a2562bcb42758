import { createHmac } from 'node:crypto';
import { AuthError } from './auth-error.ts';
import type { RawRequest } from './authentication.ts';
import type { QueryParameter } from './canonical-url.ts';
import { decodeBytes, splitTarget } from './canonical-url.ts';
import type { RequestHeaders } from './request-headers.ts';

/**
 * Signature Version 2: HMAC-SHA1 over the method, a few headers and the resource. It covers neither the
 * host nor ordinary query parameters (`prefix`, `max-keys`) nor the body, but for Content-MD5.
 *
 * Strings here have one character a byte, as header values do.
 *
 * Source: Amazon S3 Developer Guide, "Signing and Authenticating REST Requests".
 */

/** Added behind the client by a content delivery network, so never signed by it. */
const ADDED_BY_PROXIES = 'x-amz-cf-id';

/**
 * Query parameters that are part of the resource, so that they are signed.
 *
 * Safety: every parameter that makes another operation of a request must be here, or a URL for one would
 * do for the other. Those of operations that are refused by name may be missing, and so may `attributes`:
 * it does nothing without its header, which is signed.
 */
const SIGNED_PARAMETERS: ReadonlySet<string> = new Set([
  'accelerate',
  'acl',
  'analytics',
  'cors',
  'defaultObjectAcl',
  'delete',
  'encryption',
  'inventory',
  'legal-hold',
  'lifecycle',
  'location',
  'logging',
  'metrics',
  'notification',
  'object-lock',
  'ownershipControls',
  'partNumber',
  'policy',
  'policyStatus',
  'publicAccessBlock',
  'renameObject',
  'replication',
  'requestPayment',
  'response-cache-control',
  'response-content-disposition',
  'response-content-encoding',
  'response-content-language',
  'response-content-type',
  'response-expires',
  'restore',
  'select',
  'select-type',
  'storageClass',
  'retention',
  'tagging',
  'torrent',
  'transaction',
  'uploadId',
  'uploads',
  'versionId',
  'versioning',
  'versions',
  'website',
]);

/** HMAC-SHA1 of a string to sign, in base64: 28 characters. */
export function signVersion2(secret: string, stringToSign: string): string {
  return createHmac('sha1', secret).update(stringToSign, 'latin1').digest('base64');
}

/**
 * The strings that a client may have signed for this request; the first is the documented one. Only the
 * bucket itself has two, because some clients sign `/bucket/` and send `/bucket`. Both name one resource.
 *
 * `dateLine` is what stands on the line of the date. `headers` are those of the request, with those that
 * a presigned URL carries.
 */
export function stringsToSign(
  request: RawRequest,
  parameters: readonly QueryParameter[],
  claim: { readonly dateLine: string; readonly headers: RequestHeaders },
  bucketOfHost: string | undefined,
): readonly [string, ...string[]] {
  const { headers, dateLine } = claim;
  const md5 = headers.get('content-md5')?.trim() ?? '';
  const type = headers.get('content-type')?.trim() ?? '';
  const start = `${request.method}\n${md5}\n${type}\n${dateLine}\n${amzHeaders(headers)}`;
  const path = resourcePath(request.rawUrl, bucketOfHost);
  const end = signedParameters(parameters);
  const documented = `${start}${path}${end}`;
  const other = otherBucketPath(path);
  return other === undefined ? [documented] : [documented, `${start}${other}${end}`];
}

/** `x-amz-*` headers, sorted by name, each on a line of its own. */
function amzHeaders(headers: RequestHeaders): string {
  const names = [...headers.keys()].filter(
    (name) => name.startsWith('x-amz-') && name !== ADDED_BY_PROXIES,
  );
  return names
    .sort()
    .map((name) => `${name}:${headers.get(name)?.trim() ?? ''}\n`)
    .join('');
}

/** The path as sent, neither decoded nor normalised, below the bucket that the host names. */
function resourcePath(rawUrl: string, bucketOfHost: string | undefined): string {
  const path = splitTarget(rawUrl).path || '/';
  return bucketOfHost === undefined ? path : `/${bucketOfHost}${path}`;
}

/** `/bucket` for `/bucket/` and the other way round; undefined for other paths. */
function otherBucketPath(path: string): string | undefined {
  const slash = path.indexOf('/', 1);
  if (path === '/') return undefined;
  if (slash === -1) return `${path}/`;
  return slash === path.length - 1 ? path.slice(0, -1) : undefined;
}

/** `?name=value&name` of the signed parameters: sorted by name, values decoded. */
function signedParameters(parameters: readonly QueryParameter[]): string {
  const signed = parameters.filter(({ name }) => SIGNED_PARAMETERS.has(name));
  if (signed.length === 0) return '';
  const text = signed
    .sort((left, right) => (left.name < right.name ? -1 : left.name > right.name ? 1 : 0))
    .map(({ name, value }) => (value === '' ? name : `${name}=${decodeBytes(value)}`))
    .join('&');
  refuseAmbiguity(text, signed.length);
  return `?${text}`;
}

/**
 * Safety: values are signed decoded, so `versionId=1%26versions` and `versionId=1&versions` would have
 * one signature. What could be read as another request is refused.
 */
function refuseAmbiguity(text: string, count: number): void {
  const readable = text.split('&').filter((piece) => {
    const equals = piece.indexOf('=');
    return SIGNED_PARAMETERS.has(equals === -1 ? piece : piece.slice(0, equals));
  });
  if (readable.length === count) return;
  throw new AuthError(
    'InvalidRequest',
    'Signature Version 2 cannot sign a query value that contains the name of a sub-resource after an ' +
      'ampersand. Please use AWS4-HMAC-SHA256.',
  );
}
