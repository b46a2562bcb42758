import type { S3Call } from './s3-call.ts';
import { invalidArgument } from './s3-error.ts';

const HEADER = 'x-amz-client-token';

/** Names a request that may be sent again: 1 to 64 characters of ASCII without blanks. @throws S3Error InvalidArgument */
export function readClientToken(call: S3Call): string | undefined {
  const token = call.headers.get(HEADER);
  if (token === undefined || /^[\x21-\x7e]{1,64}$/.test(token)) return token;
  throw invalidArgument('A client token has 1 to 64 characters of ASCII.', HEADER, token);
}
