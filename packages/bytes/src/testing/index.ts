/** Vectors that every implementation of this package's function types must meet. */
export { BODY_CHECKSUM_VECTORS } from './body-checksum-vectors.ts';
export { CRC32C_VECTORS } from './crc32c-vectors.ts';
