import type { Crc32c } from './crc32c.ts';

/**
 * The checksum of a record's body, and so of every value that lies in one: in the log, in extent files, in messages and in
 * images. It is CRC-32, zlib's; bodies of logs of format 1 have CRC-32C, and are as good.
 *
 * Why not CRC-32C, as everything else: bodies are most of the bytes, and CRC-32 takes half of its time (ADR 0035).
 *
 * Implemented by `@holdfast/env/node`. Neither keeps the bytes.
 */
export interface BodyChecksum {
  /** CRC-32 of the parts one after the other, unsigned; 0 where there are no bytes. What is written has this one. */
  of(parts: readonly Uint8Array[]): number;
  /**
   * Whether `crc` is the parts' CRC-32 or, as it was before, their CRC-32C: the second is computed only where the first
   * differs, so that only old bodies and damage cost more.
   */
  holds(parts: readonly Uint8Array[], crc: number): boolean;
}

/** What records are checked by. */
export interface Checksums {
  /** Of everything but bodies. */
  readonly crc32c: Crc32c;
  readonly bodyChecksum: BodyChecksum;
}
