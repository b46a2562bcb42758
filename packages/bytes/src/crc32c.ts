/**
 * CRC-32C (Castagnoli), as RFC 3720 appendix B.4 defines it: reflected, initial value and final
 * xor all ones. `previous` is the checksum of the bytes before, so that
 * `crc(b, crc(a)) === crc(concat(a, b))`; it is 0 where there are none. The result is unsigned.
 *
 * With `start` and `end` it is that of `bytes.subarray(start, end)`, without the cost of making that view.
 *
 * The implementation is chosen once at start (`loadCrc32c` of `@holdfast/env/node`) and handed down.
 */
export type Crc32c = (bytes: Uint8Array, previous?: number, start?: number, end?: number) => number;
