import { concatBytes } from '@holdfast/bytes';

/** Bytes that a stamp adds to a key. */
export const STAMP_SIZE_BYTES = 10;

/**
 * The key of an appended value: the prefix, a stamp, the suffix. The stamp is the revision of the transaction (8 bytes)
 * and the position among its appends (2 bytes), big-endian: so keys of one prefix are in the order of their commits.
 */
export function stampedKey(
  prefix: Uint8Array,
  revision: number,
  position: number,
  suffix: Uint8Array,
): Uint8Array {
  const stamp = new Uint8Array(STAMP_SIZE_BYTES);
  const view = new DataView(stamp.buffer);
  view.setBigUint64(0, BigInt(revision));
  view.setUint16(8, position);
  return concatBytes([prefix, stamp, suffix]);
}
