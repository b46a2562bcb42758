import { bucketOfHost } from './request-target.ts';
import type { S3Call } from './s3-call.ts';

/**
 * The address of an object that was written, for whom the request was sent to: the key is one segment, so that its slashes are
 * escaped, as in the `Location` of AWS.
 */
export function objectAddress(call: S3Call, bucket: string, key: string): string {
  const host = call.headers.get('host') ?? 'localhost';
  const isVirtual = bucketOfHost(host, call.service.domains) !== undefined;
  return `${call.scheme}://${host}/${isVirtual ? '' : `${bucket}/`}${encodeURIComponent(key)}`;
}
