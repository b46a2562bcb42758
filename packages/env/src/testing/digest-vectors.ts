import type { DigestAlgorithm } from '../digests.ts';

export const DIGEST_ALGORITHMS: readonly DigestAlgorithm[] = [
  'md5',
  'sha1',
  'sha256',
  'crc32',
  'crc32c',
  'crc64nvme',
];

/** Digests of "123456789", in hexadecimal; of the CRCs these are their check values. */
export const DIGEST_VECTORS: ReadonlyMap<DigestAlgorithm, string> = new Map([
  ['md5', '25f9e794323b453885f5181f1b624d0b'],
  ['sha1', 'f7c3bc1d808e04732adf679965ccc34ca7ae3441'],
  ['sha256', '15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225'],
  ['crc32', 'cbf43926'],
  ['crc32c', 'e3069283'],
  ['crc64nvme', 'ae8b14860a799888'],
]);

/** Digests of no bytes. */
export const EMPTY_DIGEST_VECTORS: ReadonlyMap<DigestAlgorithm, string> = new Map([
  ['md5', 'd41d8cd98f00b204e9800998ecf8427e'],
  ['sha1', 'da39a3ee5e6b4b0d3255bfef95601890afd80709'],
  ['sha256', 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'],
  ['crc32', '00000000'],
  ['crc32c', '00000000'],
  ['crc64nvme', '0000000000000000'],
]);
