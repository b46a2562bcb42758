import type { DigestAlgorithm } from '../digests.ts';

export const DIGEST_ALGORITHMS: readonly DigestAlgorithm[] = [
  'md5',
  'sha1',
  'sha256',
  'sha512',
  'crc32',
  'crc32c',
  'crc64nvme',
  'xxhash64',
  'xxhash3',
  'xxhash128',
];

/** Digests of "123456789", in hexadecimal; of the CRCs these are their check values. */
export const DIGEST_VECTORS: ReadonlyMap<DigestAlgorithm, string> = new Map([
  ['md5', '25f9e794323b453885f5181f1b624d0b'],
  ['sha1', 'f7c3bc1d808e04732adf679965ccc34ca7ae3441'],
  ['sha256', '15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225'],
  ['crc32', 'cbf43926'],
  ['crc32c', 'e3069283'],
  ['crc64nvme', 'ae8b14860a799888'],
  [
    'sha512',
    'd9e6762dd1c8eaf6d61b3c6192fc408d4d6d5f1176d0c29169bc24e71c3f274ad27fcd5811b313d681f7e55ec02d73d499c95455b6b5bb503acf574fba8ffe85',
  ],
  ['xxhash64', '8cb841db40e6ae83'],
  ['xxhash3', '72dcb18b67a17dff'],
  ['xxhash128', '33119477ede5dcd5e9716427681d5860'],
]);

/** Digests of no bytes. */
export const EMPTY_DIGEST_VECTORS: ReadonlyMap<DigestAlgorithm, string> = new Map([
  ['md5', 'd41d8cd98f00b204e9800998ecf8427e'],
  ['sha1', 'da39a3ee5e6b4b0d3255bfef95601890afd80709'],
  ['sha256', 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'],
  ['crc32', '00000000'],
  ['crc32c', '00000000'],
  ['crc64nvme', '0000000000000000'],
  [
    'sha512',
    'cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e',
  ],
  ['xxhash64', 'ef46db3751d8e999'],
  ['xxhash3', '2d06800538d394c2'],
  ['xxhash128', '99aa06d3014798d86001c324468d497f'],
]);
