import type { S3Call } from './s3-call.ts';
import { invalidArgument } from './s3-error.ts';

/** Most keys, parts or uploads that a page has. */
export const MAX_PAGE = 1000;

const MAX_INTEGER = 2 ** 31 - 1;

/**
 * A count in the query (`max-keys`), capped at `maximum`, which is the default too.
 *
 * @throws S3Error InvalidArgument
 */
export function readCount(
  call: S3Call,
  name: string,
  maximum: number,
  options: { readonly minimum?: number } = {},
): number {
  const value = readInteger(call, name) ?? maximum;
  const isOutside = options.minimum !== undefined && value > maximum;
  if (isOutside || value < (options.minimum ?? 0)) {
    throw invalidArgument(
      `Argument ${name} must be an integer between ${options.minimum ?? 0} and ${maximum}`,
      name,
      String(value),
    );
  }
  return Math.min(value, maximum);
}

/** A non-negative integer in the query; undefined where it is missing or empty. */
export function readInteger(call: S3Call, name: string): number | undefined {
  const text = call.parameter(name);
  if (text === undefined || text === '') return undefined;
  if (/^-\d+$/.test(text)) {
    const message = `Argument ${name} must be an integer between 0 and ${MAX_INTEGER}`;
    throw invalidArgument(message, name, text);
  }
  const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value <= MAX_INTEGER)) {
    throw invalidArgument(`Provided ${name} not an integer or within integer range`, name, text);
  }
  return value;
}

/** How names are written into a list: as they are, or percent-encoded with `encoding-type=url`. */
export type NameEncoder = (name: string) => string;

/** @throws S3Error InvalidArgument for another encoding than `url` */
export function readEncoding(call: S3Call): NameEncoder | undefined {
  const type = call.parameter('encoding-type');
  if (type === undefined) return undefined;
  if (type !== 'url') {
    throw invalidArgument('Invalid Encoding Method specified in Request', 'encoding-type', type);
  }
  return encodeName;
}

/** Percent-encodes everything but unreserved characters and `/`. */
function encodeName(name: string): string {
  if (/^[A-Za-z0-9\-_.~/]*$/.test(name)) return name;
  return encodeURIComponent(name)
    .replaceAll('%2F', '/')
    .replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}
