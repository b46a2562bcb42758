import { fromUtf8, utf8 } from '@holdfast/bytes';
import { invalidArgument } from './s3-error.ts';

/** Marks the format, so that a later one can be told apart. */
const VERSION = '1';

/** An opaque token that says after which name the next page begins. */
export function encodeToken(after: string): string {
  return VERSION + Buffer.from(utf8(after)).toString('base64url');
}

/**
 * The name in a token.
 *
 * @throws S3Error InvalidArgument for a token that `encodeToken` did not make
 */
export function decodeToken(token: string): string {
  const bytes = Buffer.from(token.slice(1), 'base64url');
  if (token.startsWith(VERSION) && bytes.toString('base64url') === token.slice(1)) {
    try {
      return fromUtf8(bytes);
    } catch {
      // Not UTF-8: refused below like every other foreign token.
    }
  }
  throw invalidArgument(
    'The continuation token provided is incorrect',
    'continuation-token',
    token,
  );
}
