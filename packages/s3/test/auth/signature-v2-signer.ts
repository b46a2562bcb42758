import { createHmac } from 'node:crypto';
import type { RawRequest } from '../../src/auth/index.ts';
import { requestHeaders } from '../../src/auth/index.ts';
import { ACCESS_KEY, SECRET_KEY, TIME_MS } from './request-signer.ts';

/** A signer that shares no code with what is tested: it signs the string that it is given. */
export interface DraftV2 {
  readonly method?: string;
  /** Request target as sent, without the parameters of the signature. */
  readonly target?: string;
  /** What a correct client signs as the resource. */
  readonly resource?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Lines of `x-amz-*` headers to sign, each with its line end. */
  readonly amzLines?: string;
  readonly md5?: string;
  readonly type?: string;
  /** Line of the date; by default that of the header or the parameter sent. */
  readonly dateLine?: string;
  readonly accessKey?: string;
  readonly secretKey?: string;
}

export const HTTP_DATE = 'Fri, 24 May 2013 00:00:00 GMT';
export const EXPIRES: number = TIME_MS / 1000 + 3600;

export function signV2(draft: DraftV2, dateLine: string): string {
  const { method = 'GET', resource = '/b/k', amzLines = '', md5 = '', type = '' } = draft;
  const toSign = `${method}\n${md5}\n${type}\n${draft.dateLine ?? dateLine}\n${amzLines}${resource}`;
  const hmac = createHmac('sha1', draft.secretKey ?? SECRET_KEY);
  return hmac.update(Buffer.from(toSign, 'latin1')).digest('base64');
}

export function signedV2(draft: DraftV2 = {}): RawRequest {
  const { method = 'GET', target = '/b/k', accessKey = ACCESS_KEY } = draft;
  const authorization = `AWS ${accessKey}:${signV2(draft, HTTP_DATE)}`;
  const headers = { host: 'localhost:9000', date: HTTP_DATE, ...draft.headers, authorization };
  return { method, rawUrl: target, headers: requestHeaders(Object.entries(headers).flat()) };
}

/** `carried` are encoded parameters that the URL has beside those of the signature. */
export function presignedV2(draft: DraftV2 = {}, carried = ''): RawRequest {
  const { method = 'GET', target = '/b/k', accessKey = ACCESS_KEY } = draft;
  const signature = encodeURIComponent(signV2(draft, String(EXPIRES)));
  const mark = target.includes('?') ? '&' : '?';
  const own = `AWSAccessKeyId=${accessKey}&Signature=${signature}${carried}&Expires=${EXPIRES}`;
  const headers = { host: 'localhost:9000', ...draft.headers };
  return {
    method,
    rawUrl: `${target}${mark}${own}`,
    headers: requestHeaders(Object.entries(headers).flat()),
  };
}
