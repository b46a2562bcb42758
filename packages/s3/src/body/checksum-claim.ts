import type { ChecksumAlgorithm } from '@holdfast/objects';
import type { RequestHeaders } from '../auth/request-headers.ts';
import { BodyError } from './body-error.ts';

const PREFIX = 'x-amz-checksum-';
/** Headers with the prefix that are not checksums. */
const NOT_VALUES = ['x-amz-checksum-algorithm', 'x-amz-checksum-mode', 'x-amz-checksum-type'];
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;

/** Size of each checksum in bytes. The names are those in headers. */
const CHECKSUM_BYTES: Readonly<Record<ChecksumAlgorithm, number>> = {
  crc32: 4,
  crc32c: 4,
  crc64nvme: 8,
  sha1: 20,
  sha256: 32,
  sha512: 64,
  md5: 16,
  xxhash64: 8,
  xxhash3: 8,
  xxhash128: 16,
};

/** A checksum that a request says its body has. */
export type ChecksumClaim =
  | { readonly algorithm: ChecksumAlgorithm; readonly in: 'header'; readonly value: string }
  | { readonly algorithm: ChecksumAlgorithm; readonly in: 'trailer' };

/**
 * The one checksum that headers and declared trailers name, if any. Throws a `BodyError` when there is
 * more than one, when the value is malformed, or when `x-amz-sdk-checksum-algorithm` says otherwise.
 *
 * Source: Amazon S3 User Guide, "Checking object integrity for data uploads in Amazon S3".
 */
export function checksumClaim(
  headers: RequestHeaders,
  declaredTrailers: readonly string[],
): ChecksumClaim | undefined {
  const inHeaders: string[] = [];
  for (const name of headers.keys()) {
    if (name.startsWith(PREFIX) && !NOT_VALUES.includes(name)) inHeaders.push(name);
  }
  const [name, ...more] = [...inHeaders, ...declaredTrailers];
  if (more.length > 0) throw moreThanOne(inHeaders.length > 0 && declaredTrailers.length > 0);
  const claim = name === undefined ? undefined : claimOf(name, headers.get(name));
  checkSdkAlgorithm(headers, claim?.algorithm);
  return claim;
}

/** Throws `BodyError` InvalidRequest unless `value` is a checksum of this kind in base64. */
export function checkChecksumValue(
  algorithm: ChecksumAlgorithm,
  value: string,
  where: 'header' | 'trailing header',
): void {
  if (isBase64Of(value, CHECKSUM_BYTES[algorithm])) return;
  throw new BodyError('InvalidRequest', `Value for ${PREFIX}${algorithm} ${where} is invalid.`);
}

/** Whether `value` is the one base64 text of so many bytes. */
export function isBase64Of(value: string, sizeBytes: number): boolean {
  if (!BASE64.test(value)) return false;
  const bytes = Buffer.from(value, 'base64');
  return bytes.length === sizeBytes && bytes.toString('base64') === value;
}

function claimOf(name: string, value: string | undefined): ChecksumClaim {
  const algorithm = name.slice(PREFIX.length);
  if (!isChecksumAlgorithm(algorithm)) {
    throw new BodyError('NotImplemented', `The checksum algorithm of ${name} is not implemented.`);
  }
  if (value === undefined) return { algorithm, in: 'trailer' };
  checkChecksumValue(algorithm, value, 'header');
  return { algorithm, in: 'header', value };
}

function isChecksumAlgorithm(name: string): name is ChecksumAlgorithm {
  return Object.hasOwn(CHECKSUM_BYTES, name);
}

function checkSdkAlgorithm(
  headers: RequestHeaders,
  algorithm: ChecksumAlgorithm | undefined,
): void {
  const named = headers.get('x-amz-sdk-checksum-algorithm')?.toLowerCase();
  if (named === undefined) return;
  // Why: it is where SDKs put an MD5 that they computed.
  if (named === 'md5' && algorithm === undefined && headers.has('content-md5')) return;
  if (!isChecksumAlgorithm(named) || (algorithm !== undefined && algorithm !== named)) {
    throw new BodyError(
      'InvalidRequest',
      'Value for x-amz-sdk-checksum-algorithm header is invalid.',
    );
  }
  if (algorithm === undefined) {
    throw new BodyError(
      'InvalidRequest',
      'x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or ' +
        'x-amz-trailer headers were found.',
    );
  }
}

function moreThanOne(headersAndTrailers: boolean): BodyError {
  const message = 'Expecting a single x-amz-checksum- header';
  return new BodyError(
    'InvalidRequest',
    headersAndTrailers ? message : `${message}. Multiple checksum Types are not allowed.`,
  );
}
