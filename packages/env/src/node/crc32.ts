import { crc32 as zlibCrc32 } from 'node:zlib';
import type { LoadedCrc32c, LoadPackage } from './crc32c.ts';

/** Up to here a call into `@node-rs/crc32` costs more than it saves. */
const FEW_BYTES = 256;

/** CRC-32 of `bytes`; `previous` is that of the bytes before. */
export type Crc32 = (bytes: Uint8Array, previous?: number) => number;

/** `native`: `@node-rs/crc32`, 20 GB/s where zlib, of Node, has 4. */
export function crc32Of(
  implementation: LoadedCrc32c['implementation'],
  require: LoadPackage,
): Crc32 {
  if (implementation === 'portable') return zlibCrc32;
  const { crc32 } = require('@node-rs/crc32') as { readonly crc32: Crc32 };
  return (bytes, previous = 0) =>
    bytes.length <= FEW_BYTES ? zlibCrc32(bytes, previous) : crc32(bytes, previous) >>> 0;
}
