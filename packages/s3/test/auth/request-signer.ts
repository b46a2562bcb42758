import { createHash, createHmac } from 'node:crypto';
import type { RawRequest } from '../../src/auth/index.ts';
import { requestHeaders } from '../../src/auth/index.ts';

/**
 * A signer of requests that shares no code with what is tested. It signs what it is told to, sound or not.
 */
export const ACCESS_KEY = 'AKIAIOSFODNN7EXAMPLE';
export const SECRET_KEY = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY';
export const AMZ_DATE = '20130524T000000Z';
export const TIME_MS: number = Date.UTC(2013, 4, 24);
export const SHA256_OF_NOTHING: string = sha256('');

export interface Draft {
  readonly method?: string;
  /** As sent, encoded as the caller likes. */
  readonly path?: string;
  /** What a correct client signs for `path`; the same unless given. */
  readonly canonicalPath?: string;
  /** Encoded pairs, sorted as they are signed. */
  readonly query?: readonly (readonly [string, string])[];
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent but not signed. */
  readonly unsignedHeaders?: Readonly<Record<string, string>>;
  readonly amzDate?: string;
  /** Sent as `Date` instead of x-amz-date; must be the same time as `amzDate`. */
  readonly httpDate?: string;
  readonly region?: string;
  readonly service?: string;
  readonly accessKey?: string;
  readonly secretKey?: string;
  readonly credential?: string;
  readonly payload?: string;
}

export function sha256(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}

export function hmac(key: string | Uint8Array, data: string): Buffer {
  return createHmac('sha256', key).update(data).digest();
}

export function signingKeyBytes(secret: string, scope: string): Buffer {
  let key: Buffer = Buffer.from(`AWS4${secret}`);
  for (const part of scope.split('/')) key = hmac(key, part);
  return key;
}

function scopeOf(draft: Draft): string {
  const { amzDate = AMZ_DATE, region = 'us-east-1', service = 's3' } = draft;
  return `${amzDate.slice(0, 8)}/${region}/${service}/aws4_request`;
}

function signature(draft: Draft, canonical: string): string {
  const { amzDate = AMZ_DATE, secretKey = SECRET_KEY } = draft;
  const toSign = `AWS4-HMAC-SHA256\n${amzDate}\n${scopeOf(draft)}\n${sha256(Buffer.from(canonical, 'latin1'))}`;
  return hmac(signingKeyBytes(secretKey, scopeOf(draft)), toSign).toString('hex');
}

function canonicalOf(
  draft: Draft,
  query: readonly (readonly [string, string])[],
  headers: Readonly<Record<string, string>>,
  payload: string,
): { canonical: string; names: string } {
  const { method = 'GET', path = '/', canonicalPath = path } = draft;
  const sorted = Object.entries(headers).sort(([left], [right]) => (left < right ? -1 : 1));
  const names = sorted.map(([name]) => name).join(';');
  const lines = sorted.map(([name, value]) => `${name}:${value.trim().replace(/\s+/g, ' ')}\n`);
  const text = query.map(([name, value]) => `${name}=${value}`).join('&');
  const canonical = [method, canonicalPath, text, lines.join(''), names, payload].join('\n');
  return { canonical, names };
}

/** A request with an Authorization header. */
export function signedRequest(draft: Draft = {}): RawRequest {
  const { method = 'GET', path = '/', query = [], amzDate = AMZ_DATE } = draft;
  const { accessKey = ACCESS_KEY, payload = SHA256_OF_NOTHING } = draft;
  const headers = {
    host: 'localhost:9000',
    'x-amz-content-sha256': payload,
    ...(draft.httpDate === undefined ? { 'x-amz-date': amzDate } : { date: draft.httpDate }),
    ...draft.headers,
  };
  const { canonical, names } = canonicalOf(draft, query, headers, payload);
  const credential = draft.credential ?? `${accessKey}/${scopeOf(draft)}`;
  const authorization = `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=${names}, Signature=${signature(draft, canonical)}`;
  const text = query.map(([name, value]) => `${name}=${value}`).join('&');
  const all = { ...headers, ...draft.unsignedHeaders, authorization };
  return {
    method,
    rawUrl: text === '' ? path : `${path}?${text}`,
    headers: requestHeaders(Object.entries(all).flat()),
  };
}

/** A presigned request. `overrides` replace or (undefined) remove X-Amz-* parameters before signing. */
export function presignedRequest(
  draft: Draft & { readonly expires?: string } = {},
  overrides: Readonly<Record<string, string | undefined>> = {},
): RawRequest {
  const { method = 'GET', path = '/', amzDate = AMZ_DATE, accessKey = ACCESS_KEY } = draft;
  const headers = { host: 'localhost:9000', ...draft.headers };
  const parameters: Record<string, string | undefined> = {
    'X-Amz-Algorithm': 'AWS4-HMAC-SHA256',
    'X-Amz-Credential': encodeURIComponent(draft.credential ?? `${accessKey}/${scopeOf(draft)}`),
    'X-Amz-Date': amzDate,
    'X-Amz-Expires': draft.expires ?? '3600',
    'X-Amz-SignedHeaders': encodeURIComponent(Object.keys(headers).sort().join(';')),
    ...Object.fromEntries(draft.query ?? []),
    ...overrides,
  };
  const pairs = Object.entries(parameters)
    .filter((pair): pair is [string, string] => pair[1] !== undefined)
    .sort(([left], [right]) => (left < right ? -1 : 1));
  const payload = draft.payload ?? 'UNSIGNED-PAYLOAD';
  const { canonical } = canonicalOf(draft, pairs, headers, payload);
  const text = pairs.map(([name, value]) => `${name}=${value}`).join('&');
  const all = { ...headers, ...draft.unsignedHeaders };
  return {
    method,
    rawUrl: `${path}?${text}&X-Amz-Signature=${signature(draft, canonical)}`,
    headers: requestHeaders(Object.entries(all).flat()),
  };
}
