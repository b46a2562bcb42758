import type { VersionAddress } from '@holdfast/objects';
import { percentDecode } from './query.ts';
import { checkKeyLength } from './request-target.ts';
import type { S3Call } from './s3-call.ts';
import { invalidArgument } from './s3-error.ts';

const HEADER = 'x-amz-copy-source';

/**
 * `x-amz-copy-source`: `bucket/key` or `/bucket/key`, percent-decoded exactly once, after the `?versionId=` was
 * split off and before anything else. A `+` is a space, as in a form: S3 has it so.
 *
 * @throws S3Error InvalidArgument, KeyTooLongError
 */
export function readCopySource(call: S3Call): VersionAddress {
  const value = call.headers.get(HEADER) ?? '';
  const mark = value.lastIndexOf('?versionId=');
  const versionId = mark < 0 ? undefined : value.slice(mark + '?versionId='.length);
  const path = decodeSource(mark < 0 ? value : value.slice(0, mark));
  const slash = path.indexOf('/');
  if (slash < 1 || slash === path.length - 1) {
    throw invalidArgument('Invalid copy source object key', HEADER, value);
  }
  const key = path.slice(slash + 1);
  checkKeyLength(key);
  const bucket = path.slice(0, slash);
  return versionId === undefined ? { bucket, key } : { bucket, key, versionId };
}

function decodeSource(value: string): string {
  let path: string;
  try {
    path = percentDecode(value.replaceAll('+', ' '));
  } catch {
    throw invalidArgument('Invalid copy source encoding.', HEADER, value);
  }
  return path.startsWith('/') ? path.slice(1) : path;
}
