/**
 * `@holdfast/bytes`: what every layer above shares about bytes, and nothing else. The bottom of the
 * stack: it imports no package and does no I/O.
 *
 * @example
 * const bytes = new ByteWriter().u32(7).text('seven').finish();
 * new ByteReader(bytes).u32(); // 7
 *
 * Source: packages/bytes/src
 */

export type { BodyChecksum, Checksums } from './body-checksum.ts';
export type { LogIndex, Term } from './brands.ts';
export { logIndex, term } from './brands.ts';
export {
  compareBytes,
  concatBytes,
  copyOfBytes,
  equalBytes,
  prefixEnd,
  putU32,
  startsWithBytes,
} from './byte-order.ts';
export { ByteReader, MalformedBytesError, NewerBytesError } from './byte-reader.ts';
export { ByteWriter } from './byte-writer.ts';
export type { Crc32c } from './crc32c.ts';
export { fromHex, toHex } from './hex.ts';
export { InvariantError, invariant, unreachable } from './invariant.ts';
export { OperatingError } from './operating-error.ts';
export { fromUtf8, utf8 } from './utf8.ts';
