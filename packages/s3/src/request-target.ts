import { EMPTY_QUERY, parseQuery, percentDecode, type Query } from './query.ts';
import { S3Error } from './s3-error.ts';

/** What a request is about, as the raw, undecoded request target and the Host header say. */
export interface RequestTarget {
  readonly level: 'service' | 'bucket' | 'object';
  /** Empty at service level. */
  readonly bucket: string;
  /** Percent-decoded exactly once; empty below object level. */
  readonly key: string;
  readonly query: Query;
  /** The path as it was sent, for `<Resource>`. */
  readonly path: string;
}

/** Longest key in bytes of UTF-8. Source: AWS user guide, "Naming Amazon S3 objects". */
const MAX_KEY_BYTES = 1024;

/**
 * Reads bucket and key. `//`, `..`, `%2F`, `+` and control characters are legal parts of a key, so nothing is
 * normalised, and nothing but percent-escapes is decoded.
 *
 * @throws S3Error InvalidURI for a broken escape or escapes that are not UTF-8; KeyTooLongError
 */
export function resolveTarget(
  rawUrl: string,
  host: string | undefined,
  domains: readonly string[],
): RequestTarget {
  const url = originForm(rawUrl);
  const mark = url.indexOf('?');
  const path = mark < 0 ? url : url.slice(0, mark);
  const query = mark < 0 ? EMPTY_QUERY : parseQuery(url.slice(mark + 1));
  const hostBucket = bucketOfHost(host, domains);
  if (hostBucket !== undefined) return target(hostBucket, path.slice(1), query, path);
  const slash = path.indexOf('/', 1);
  const rawBucket = slash < 0 ? path.slice(1) : path.slice(1, slash);
  if (rawBucket === '') {
    // Why: `//key` names no bucket; treating it as a list of buckets would answer a question not asked.
    if (slash >= 0) throw new S3Error('InvalidBucketName', undefined, { BucketName: '' });
    return { level: 'service', bucket: '', key: '', query, path };
  }
  return target(percentDecode(rawBucket), slash < 0 ? '' : path.slice(slash + 1), query, path);
}

function target(bucket: string, rawKey: string, query: Query, path: string): RequestTarget {
  if (rawKey === '') return { level: 'bucket', bucket, key: '', query, path };
  const key = percentDecode(rawKey);
  checkKeyLength(key);
  return { level: 'object', bucket, key, query, path };
}

/** @throws S3Error KeyTooLongError */
export function checkKeyLength(key: string): void {
  // A UTF-16 unit is at most 3 bytes, so most keys need no count.
  if (key.length * 3 <= MAX_KEY_BYTES) return;
  const size = Buffer.byteLength(key);
  if (size <= MAX_KEY_BYTES) return;
  throw new S3Error('KeyTooLongError', undefined, { Size: size, MaxSizeAllowed: MAX_KEY_BYTES });
}

/** A request target may be absolute (`GET http://host/path`, RFC 9112 section 3.2.2). */
export function originForm(rawUrl: string): string {
  if (rawUrl.startsWith('/')) return rawUrl;
  const scheme = /^https?:\/\/[^/?]*/i.exec(rawUrl);
  if (scheme === null) throw new S3Error('InvalidURI', undefined, { URI: rawUrl });
  const rest = rawUrl.slice(scheme[0].length);
  return rest.startsWith('/') ? rest : `/${rest}`;
}

/** The bucket that the Host header names, if it is `<bucket>.<one of the domains>`. */
export function bucketOfHost(
  host: string | undefined,
  domains: readonly string[],
): string | undefined {
  if (host === undefined || domains.length === 0) return undefined;
  const colon = host.lastIndexOf(':');
  const name = (colon > host.lastIndexOf(']') ? host.slice(0, colon) : host).toLowerCase();
  // Why all of them: `s3.localhost` is itself a domain and not bucket `s3` of domain `localhost`.
  if (domains.includes(name)) return undefined;
  let longest = '';
  for (const domain of domains) {
    if (domain.length > longest.length && name.endsWith(`.${domain}`)) longest = domain;
  }
  if (longest === '') return undefined;
  return name.slice(0, name.length - longest.length - 1);
}
