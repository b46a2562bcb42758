import type { S3Call } from './s3-call.ts';
import { invalidArgument } from './s3-error.ts';

/** Asks for a listing whose pages are of one revision. AWS has no such thing. */
const PIN_HEADER = 'x-holdfast-pin';
const PIN = /^[0-9a-f]{32}$/;

/**
 * What the request says of the revision of its page: true for that of now, to be kept; the name that an earlier page came
 * with, for that one's; undefined where nothing is to be kept.
 *
 * @throws S3Error InvalidArgument
 */
export function readPin(call: S3Call): true | string | undefined {
  const value = call.headers.get(PIN_HEADER);
  if (value === undefined || value === 'false') return undefined;
  if (value === 'true') return true;
  if (PIN.test(value)) return value;
  throw invalidArgument('true, false or the value of the page before', PIN_HEADER, value);
}

/** Names the pin that the next page is to be asked for with; nothing on the last page. */
export function pinHeaders(pin: string | undefined): readonly string[] {
  return pin === undefined ? [] : [PIN_HEADER, pin];
}
