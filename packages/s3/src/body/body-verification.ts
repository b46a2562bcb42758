import { invariant } from '@holdfast/bytes';
import type { BodyVerification, ChecksumAlgorithm } from '@holdfast/objects';
import type { PayloadCheck } from '../auth/authentication.ts';
import type { RequestHeaders } from '../auth/request-headers.ts';
import { BodyError } from './body-error.ts';
import type { ChecksumClaim } from './checksum-claim.ts';
import { checkChecksumValue, checksumClaim, isBase64Of } from './checksum-claim.ts';
import type { DecodedBody } from './decode-body.ts';
import { malformedTrailer } from './trailers.ts';

const MD5_BYTES = 16;

type Digest = BodyVerification['digests'][number];
type Digests = Parameters<BodyVerification['accept']>[0];

export interface BodyVerificationOptions {
  /** Computed and stored when the client names no checksum. S3: `crc64nvme`. Default: none. */
  readonly defaultAlgorithm?: ChecksumAlgorithm;
}

/**
 * What headers and trailers claim about the body, as the object store wants it: digests to compute and
 * an `accept` that refuses a body that differs and returns the checksum to store. Throws a `BodyError`
 * when a header is malformed, before anything is read.
 */
export function bodyVerification(
  headers: RequestHeaders,
  body: Pick<DecodedBody, 'trailers' | 'declaredTrailers'>,
  payload: PayloadCheck,
  options: BodyVerificationOptions = {},
): BodyVerification {
  const contentMd5 = contentMd5Header(headers);
  const claim = checksumClaim(headers, body.declaredTrailers);
  const contentSha256 = typeof payload === 'object' ? payload.sha256 : undefined;
  const stored = claim?.algorithm ?? options.defaultAlgorithm;
  const wanted: Digest[] = contentSha256 === undefined ? [] : ['sha256'];
  if (stored !== undefined && !wanted.includes(stored)) wanted.push(stored);
  return {
    digests: wanted,
    accept: (digests) => {
      if (contentSha256 !== undefined) checkContentSha256(contentSha256, digests);
      if (contentMd5 !== undefined) checkContentMd5(contentMd5, digests);
      if (stored === undefined) return undefined;
      if (claim !== undefined) checkChecksum(claim, claimedValue(claim, body), digests);
      return stored;
    },
  };
}

function contentMd5Header(headers: RequestHeaders): string | undefined {
  const value = headers.get('content-md5');
  if (value === undefined || isBase64Of(value, MD5_BYTES)) return value;
  throw new BodyError('InvalidDigest', 'The Content-MD5 you specified was invalid.', {
    'Content-MD5': value,
  });
}

/** A digest in base64, as headers have it. */
export function digestText(digests: Digests, algorithm: Digest): string {
  return digestOf(digests, algorithm).toString('base64');
}

function digestOf(digests: Digests, algorithm: Digest): Buffer {
  const digest = digests.get(algorithm);
  invariant(digest !== undefined, `the object store did not compute ${algorithm}`);
  // Why a copy where it is none: a view of a small array makes V8 move that out of its heap first.
  return Buffer.isBuffer(digest) ? digest : Buffer.from(digest);
}

function checkContentSha256(expected: string, digests: Digests): void {
  const computed = digestOf(digests, 'sha256').toString('hex');
  if (computed === expected) return;
  throw new BodyError(
    'XAmzContentSHA256Mismatch',
    "The provided 'x-amz-content-sha256' header does not match what was computed.",
    { ClientComputedContentSHA256: expected, S3ComputedContentSHA256: computed },
  );
}

function checkContentMd5(expected: string, digests: Digests): void {
  const computed = digestText(digests, 'md5');
  if (computed === expected) return;
  throw new BodyError(
    'BadDigest',
    'The Content-MD5 you specified did not match what we received.',
    // The one is hexadecimal on S3, and the other is not.
    {
      ExpectedDigest: Buffer.from(expected, 'base64').toString('hex'),
      CalculatedDigest: computed,
    },
  );
}

function claimedValue(claim: ChecksumClaim, body: Pick<DecodedBody, 'trailers'>): string {
  if (claim.in === 'header') return claim.value;
  const value = body.trailers().get(`x-amz-checksum-${claim.algorithm}`);
  if (value === undefined) throw malformedTrailer();
  checkChecksumValue(claim.algorithm, value, 'trailing header');
  return value;
}

function checkChecksum(claim: ChecksumClaim, claimed: string, digests: Digests): void {
  if (claimed === digestText(digests, claim.algorithm)) return;
  throw new BodyError(
    'BadDigest',
    `The ${claim.algorithm.toUpperCase()} you specified did not match the calculated checksum.`,
  );
}
