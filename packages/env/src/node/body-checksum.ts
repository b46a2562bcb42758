import type { BodyChecksum, Crc32c } from '@holdfast/bytes';
import type { Crc32 } from './crc32.ts';

/** `BodyChecksum` of the two that were chosen. */
export function makeBodyChecksum(crc32: Crc32, crc32c: Crc32c): BodyChecksum {
  return {
    of: (parts) => overAll(crc32, parts),
    holds: (parts, crc) => overAll(crc32, parts) === crc || overAll(crc32c, parts) === crc,
  };
}

/** All parts by one of the two: a sum of both kinds is that of nothing. */
function overAll(crcOf: Crc32, parts: readonly Uint8Array[]): number {
  let crc = 0;
  for (const part of parts) crc = crcOf(part, crc);
  return crc;
}
