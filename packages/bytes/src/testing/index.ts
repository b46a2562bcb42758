/** Vectors that every implementation of this package's function types must meet. */
export { CRC32C_VECTORS } from './crc32c-vectors.ts';
