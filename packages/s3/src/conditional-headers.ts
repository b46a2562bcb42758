import type { ByteRangeRequest, ObjectConditions, RangeValidator } from '@holdfast/objects';
import { parseHttpDate } from './http-date.ts';
import type { S3Call } from './s3-call.ts';
import { S3Error } from './s3-error.ts';

/** How far a client's clock may be ahead of ours. Source: AWS, RequestTimeTooSkewed. */
const MAX_SKEW_MS = 15 * 60 * 1000;

/**
 * The conditional headers, or those of the source of a copy or a rename with their prefix. undefined where there is none.
 * Malformed dates are ignored, as AWS does, and so is an If-Modified-Since in the future, but for what clocks may differ: AWS
 * ignores one of tomorrow, and answers 304 to one of the next minute.
 */
export function readConditions(
  { headers, service }: Pick<S3Call, 'headers' | 'service'>,
  prefix: '' | 'x-amz-copy-source-' | 'x-amz-rename-source-' = '',
): ObjectConditions | undefined {
  const match = headers.get(`${prefix}if-match`);
  const noneMatch = headers.get(`${prefix}if-none-match`);
  const since = parseHttpDate(headers.get(`${prefix}if-modified-since`));
  const latest = service.env.clock.nowMs() + MAX_SKEW_MS;
  const modified = since !== undefined && since <= latest ? since : undefined;
  const unmodified = parseHttpDate(headers.get(`${prefix}if-unmodified-since`));
  if (match === undefined && noneMatch === undefined && modified === undefined) {
    if (unmodified === undefined) return undefined;
  }
  return {
    ...(match !== undefined && { ifMatch: parseETags(match) }),
    ...(noneMatch !== undefined && { ifNoneMatch: parseETags(noneMatch) }),
    ...(modified !== undefined && { ifModifiedSinceMs: modified }),
    ...(unmodified !== undefined && { ifUnmodifiedSinceMs: unmodified }),
  };
}

/**
 * The condition of a write: an ETag in If-Match, or `*` in If-None-Match. NotImplemented for all else, as AWS has it; the public
 * suite asks for what RFC 9110 says.
 */
export function readWriteConditions(call: S3Call): ObjectConditions | undefined {
  const match = call.headers.get('if-match');
  const noneMatch = call.headers.get('if-none-match');
  if (match === undefined && noneMatch === undefined) return undefined;
  const conditions = {
    ...(match !== undefined && { ifMatch: parseETags(match) }),
    ...(noneMatch !== undefined && { ifNoneMatch: parseETags(noneMatch) }),
  };
  if (!call.service.answersAsCeph) refuseUnknownConditions(conditions);
  return conditions;
}

function refuseUnknownConditions({ ifMatch, ifNoneMatch }: ObjectConditions): void {
  const refuse = (Header: string, additionalMessage: string): S3Error =>
    new S3Error('NotImplemented', undefined, { Header, additionalMessage });
  if (ifMatch !== undefined && ifNoneMatch !== undefined) {
    const why = 'Multiple conditional request headers present in the request';
    throw refuse('If-Match,If-None-Match', why);
  }
  const isKnown = ifMatch === undefined ? ifNoneMatch === '*' : ifMatch !== '*';
  if (isKnown) return;
  const name = ifMatch === undefined ? 'If-None-Match' : 'If-Match';
  throw refuse(name, `We don't accept the provided value of ${name} header for this API`);
}

/** ETags of a header, without quotes and without `W/`; `*` stands for any. */
export function parseETags(value: string): '*' | readonly string[] {
  const tags = value.split(',').map(unquoteETag);
  return tags.includes('*') ? '*' : tags;
}

/** One ETag without its quotes. Clients that leave them out, or one of them, are understood too, as AWS understands them. */
export function unquoteETag(value: string): string {
  const tag = value.trim();
  const bare = tag.startsWith('W/') ? tag.slice(2) : tag;
  return bare.replace(/^"/, '').replace(/"$/, '');
}

/**
 * A `Range` header with one range of bytes. undefined where the whole object is to be sent: no header, a
 * malformed one, or several ranges, which AWS does not serve either.
 */
export function readRange(value: string | undefined): ByteRangeRequest | undefined {
  if (value === undefined) return undefined;
  const match = /^bytes=\s*(\d*)\s*-\s*(\d*)\s*$/i.exec(value);
  if (match === null) return undefined;
  const [, first, last] = match;
  if (first === undefined || first === '') {
    return last === undefined || last === '' ? undefined : { kind: 'suffix', length: safe(last) };
  }
  if (last === undefined || last === '') return { kind: 'from', first: safe(first) };
  if (safe(last) < safe(first)) return undefined;
  return { kind: 'from', first: safe(first), last: safe(last) };
}

/**
 * An `If-Range` header: one ETag or a date. Source: RFC 9110 section 13.1.5. A weak ETag, and what is neither, stand for no
 * object, so that all of it is sent.
 */
export function readIfRange(value: string | undefined): RangeValidator | undefined {
  if (value === undefined) return undefined;
  const text = value.trim();
  if (text.startsWith('W/')) return {};
  // A date has spaces, an ETag has none.
  if (!text.includes(' ')) return { etag: unquoteETag(text) };
  const lastModifiedMs = parseHttpDate(text);
  return lastModifiedMs === undefined ? {} : { lastModifiedMs };
}

function safe(digits: string): number {
  return Math.min(Number(digits), Number.MAX_SAFE_INTEGER);
}
