import { hash } from 'node:crypto';
import { AuthError } from './auth-error.ts';
import type { RawRequest } from './authentication.ts';
import type { QueryParameter } from './canonical-url.ts';
import { canonicalPath, canonicalQuery } from './canonical-url.ts';
import type { RequestHeaders } from './request-headers.ts';
import type { SignatureClaim } from './signature-claim.ts';

/** Added behind the client by a content delivery network, so never signed by it. */
const ADDED_BY_PROXIES = 'x-amz-cf-id';

/**
 * The canonical request: what client and server both sign.
 *
 * Source: Amazon S3 API Reference, "Signature Calculations for the Authorization Header", task 1.
 */
export function canonicalRequest(
  request: RawRequest,
  path: string,
  parameters: readonly QueryParameter[],
  claim: SignatureClaim,
): string {
  const signedNames = claim.signedHeaders.split(';');
  checkCoverage(request.headers, signedNames);
  let lines = '';
  for (const name of signedNames) {
    lines += `${name}:${canonicalValue(request.headers.get(name) ?? '')}\n`;
  }
  const signed =
    claim.via === 'query'
      ? parameters.filter(({ name }) => name !== 'X-Amz-Signature')
      : parameters;
  const url = `${canonicalPath(path)}\n${canonicalQuery(signed)}`;
  return `${request.method}\n${url}\n${lines}\n${claim.signedHeaders}\n${claim.payloadHash}`;
}

/**
 * The string to sign over a canonical request.
 *
 * Source: the same page, task 2.
 */
export function stringToSign(canonical: string, claim: SignatureClaim): string {
  return `AWS4-HMAC-SHA256\n${claim.amzDate}\n${claim.credential.scope.text}\n${sha256Hex(canonical)}`;
}

/** Header values have one character a byte, so they must be hashed as bytes and not as UTF-8. */
function sha256Hex(text: string): string {
  const ascii = Buffer.byteLength(text) === text.length;
  return hash('sha256', ascii ? text : Buffer.from(text, 'latin1'), 'hex');
}

/** Trimmed, runs of white space folded to one space. */
function canonicalValue(value: string): string {
  const first = value.charCodeAt(0);
  const last = value.charCodeAt(value.length - 1);
  const clean = first !== 32 && first !== 9 && last !== 32 && last !== 9;
  if (clean && !value.includes('  ') && !value.includes('\t')) return value;
  return value.replace(/[ \t]+/g, ' ').trim();
}

/**
 * Safety: what is not signed can be changed on the way. The host says which service was meant and
 * x-amz-* headers change what the operation does, so none of them may be sent unsigned.
 */
function checkCoverage(headers: RequestHeaders, signedNames: readonly string[]): void {
  if (!headers.has('host')) {
    throw new AuthError('MissingSecurityHeader', 'Your request is missing a required header', {
      MissingHeaderName: 'host',
    });
  }
  const unsigned: string[] = signedNames.includes('host') ? [] : ['host'];
  for (const name of headers.keys()) {
    if (!name.startsWith('x-amz-') || name === ADDED_BY_PROXIES) continue;
    if (!signedNames.includes(name)) unsigned.push(name);
  }
  if (unsigned.length === 0) return;
  throw new AuthError(
    'AccessDenied',
    'There were headers present in the request which were not signed',
    { HeadersNotSigned: unsigned.join(', ') },
  );
}
