import { fromUtf8, utf8 } from '@holdfast/bytes';
import { invalidArgument, type S3Error } from './s3-error.ts';

/** Marks the format, so that a later one can be told apart. */
const VERSION = '1';
/** With the pin of the listing before the name. */
const PINNED = /^2([0-9a-f]{32})/;

/** Where a listing goes on. */
export interface ListPosition {
  /** The last name of the page before. */
  readonly after: string;
  /** Of a listing whose pages are of one revision. */
  readonly pin?: string | undefined;
}

/** An opaque token that says where the next page begins. */
export function encodeToken({ after, pin }: ListPosition): string {
  const head = pin === undefined ? VERSION : `2${pin}`;
  return head + Buffer.from(utf8(after)).toString('base64url');
}

/**
 * What a token says.
 *
 * @throws S3Error InvalidArgument for a token that `encodeToken` did not make
 */
export function decodeToken(token: string): ListPosition {
  const pin = PINNED.exec(token)?.[1];
  const name = token.slice(pin === undefined ? 1 : 1 + pin.length);
  const bytes = Buffer.from(name, 'base64url');
  const known = pin !== undefined || token.startsWith(VERSION);
  if (known && bytes.toString('base64url') === name) {
    try {
      return { after: fromUtf8(bytes), pin };
    } catch {
      // Not UTF-8: refused below like every other foreign token.
    }
  }
  throw wrongToken(token);
}

export function wrongToken(token: string): S3Error {
  const message = 'The continuation token provided is incorrect';
  return invalidArgument(message, 'continuation-token', token);
}
