import { S3Error } from './s3-error.ts';

/** Query parameters, decoded. Of a name that comes twice the first value counts. */
export type Query = ReadonlyMap<string, string>;

/** The query of a request without one. */
export const EMPTY_QUERY: Query = new Map();

/** Splits and decodes the part after `?`. `+` is a space, as everywhere in queries. */
export function parseQuery(raw: string): Query {
  const query = new Map<string, string>();
  for (const [name, value] of queryPairs(raw)) {
    if (!query.has(name)) query.set(name, decodeQueryPart(value));
  }
  return query;
}

/** All names of it in their order, decoded, and their values, which are not. @throws S3Error InvalidURI */
export function* queryPairs(raw: string): Generator<readonly [name: string, value: string]> {
  for (const piece of raw.split('&')) {
    if (piece === '') continue;
    const equals = piece.indexOf('=');
    const name = decodeQueryPart(equals < 0 ? piece : piece.slice(0, equals));
    yield [name, equals < 0 ? '' : piece.slice(equals + 1)];
  }
}

/**
 * Unlike `URLSearchParams` it puts no other characters in the place of what it cannot decode.
 *
 * @throws S3Error InvalidURI
 */
export function decodeQueryPart(raw: string): string {
  return percentDecode(raw.includes('+') ? raw.replaceAll('+', ' ') : raw);
}

/**
 * Decodes percent-escapes once. Bytes above 0x7F that came without an escape arrive from Node as Latin-1 and
 * are read as the UTF-8 that they are.
 *
 * @throws S3Error InvalidURI
 */
export function percentDecode(raw: string): string {
  if (raw.indexOf('%') < 0 && isAscii(raw)) return raw;
  try {
    return decodeURIComponent(isAscii(raw) ? raw : escapeLatin1(raw));
  } catch (cause) {
    throw new S3Error('InvalidURI', undefined, { URI: raw }, [], { cause });
  }
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return false;
  return true;
}

function escapeLatin1(raw: string): string {
  return raw.replace(/[\u0080-\u00ff]/g, (char) => `%${char.charCodeAt(0).toString(16)}`);
}
