/**
 * URLs as Signature Version 4 sees them: each byte percent-encoded exactly once, whatever the client
 * encoded. S3 does not normalise paths: `//`, `.` and `..` are characters of a key.
 *
 * Source: Amazon S3 API Reference, "Signature Calculations for the Authorization Header", UriEncode().
 */

const UPPER_HEX = '0123456789ABCDEF';
const PERCENT = 0x25;
const PLUS = 0x2b;
const SLASH = 0x2f;

/** 1 for A-Z a-z 0-9 - . _ ~, which are never encoded. */
const UNRESERVED: Uint8Array = Uint8Array.from({ length: 256 }, (_, byte) =>
  /[A-Za-z0-9\-._~]/.test(String.fromCharCode(byte)) ? 1 : 0,
);

export interface QueryParameter {
  /** Encoded canonically. */
  readonly name: string;
  /** Encoded canonically. */
  readonly value: string;
}

/** Path and query of a request target; the query is undefined where there is no `?`. */
export function splitTarget(rawUrl: string): { path: string; query: string | undefined } {
  const start = rawUrl.charCodeAt(0) === SLASH ? 0 : originLength(rawUrl);
  const mark = rawUrl.indexOf('?', start);
  if (mark === -1) return { path: start === 0 ? rawUrl : rawUrl.slice(start), query: undefined };
  return { path: rawUrl.slice(start, mark), query: rawUrl.slice(mark + 1) };
}

/** Length of `http://host` in the absolute form that proxies send (RFC 9112 section 3.2.2). */
function originLength(rawUrl: string): number {
  const scheme = rawUrl.indexOf('://');
  if (scheme === -1) return 0;
  const end = rawUrl.slice(scheme + 3).search(/[/?]/);
  return end === -1 ? rawUrl.length : scheme + 3 + end;
}

/** The canonical URI: decoded and encoded once, slashes kept. */
export function canonicalPath(rawPath: string): string {
  return rawPath === '' ? '/' : encodeOnce(rawPath, true);
}

/** The parameters of a raw query, in the order sent. A plus sign is a space, as S3 reads it. */
export function queryParameters(rawQuery: string): QueryParameter[] {
  const parameters: QueryParameter[] = [];
  for (const pair of rawQuery.split('&')) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    const name = equals === -1 ? pair : pair.slice(0, equals);
    const value = equals === -1 ? '' : pair.slice(equals + 1);
    parameters.push({ name: encodeOnce(name, false), value: encodeOnce(value, false) });
  }
  return parameters;
}

/** The canonical query string: sorted by encoded name, then by encoded value. */
export function canonicalQuery(parameters: readonly QueryParameter[]): string {
  const sorted = parameters.length > 1 ? [...parameters].sort(compareParameters) : parameters;
  let text = '';
  for (const { name, value } of sorted) {
    text += text === '' ? `${name}=${value}` : `&${name}=${value}`;
  }
  return text;
}

/** Why not compare `name=value` whole: `=` sorts after `-`, `.`, digits and `%`. */
function compareParameters(left: QueryParameter, right: QueryParameter): number {
  if (left.name !== right.name) return left.name < right.name ? -1 : 1;
  if (left.value !== right.value) return left.value < right.value ? -1 : 1;
  return 0;
}

/** The bytes of a canonically encoded text, one character a byte. */
export function decodeBytes(encoded: string): string {
  if (!encoded.includes('%')) return encoded;
  return encoded.replace(/%([0-9A-F]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

function encodeOnce(raw: string, isPath: boolean): string {
  for (let index = 0; index < raw.length; index++) {
    const code = raw.charCodeAt(index);
    const plain = code < 256 ? UNRESERVED[code] === 1 || (isPath && code === SLASH) : false;
    if (!plain) return raw.slice(0, index) + encodeRest(raw, index, isPath);
  }
  return raw;
}

function encodeRest(raw: string, start: number, isPath: boolean): string {
  let text = '';
  for (let index = start; index < raw.length; index++) {
    const code = raw.charCodeAt(index);
    if (code > 255) {
      const character = String.fromCodePoint(raw.codePointAt(index) as number);
      for (const byte of Buffer.from(character)) text += encodeByte(byte, isPath);
      index += character.length - 1;
      continue;
    }
    const escaped = code === PERCENT ? escapedByte(raw, index) : -1;
    if (escaped !== -1) index += 2;
    else if (code === PLUS && !isPath) {
      text += '%20';
      continue;
    }
    text += encodeByte(escaped === -1 ? code : escaped, isPath);
  }
  return text;
}

function encodeByte(byte: number, isPath: boolean): string {
  if (UNRESERVED[byte] === 1 || (isPath && byte === SLASH)) return String.fromCharCode(byte);
  return `%${UPPER_HEX[byte >> 4]}${UPPER_HEX[byte & 15]}`;
}

/** The byte of a `%XX` at `index`, or -1: a stray percent sign stands for itself. */
function escapedByte(raw: string, index: number): number {
  const high = hexDigit(raw.charCodeAt(index + 1));
  const low = hexDigit(raw.charCodeAt(index + 2));
  return high === -1 || low === -1 ? -1 : high * 16 + low;
}

function hexDigit(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  if (code >= 65 && code <= 70) return code - 55;
  if (code >= 97 && code <= 102) return code - 87;
  return -1;
}
