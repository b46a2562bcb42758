import { ObjectStoreError } from './errors.ts';
import type { ByteRangeRequest } from './object-store.ts';

/** Bytes [offset, offset + length). */
export interface ByteSpan {
  readonly offset: number;
  readonly length: number;
}

/**
 * What a range asks of an object of `sizeBytes`. InvalidRange where none of it is there. The last bytes of an empty
 * object are all of it: none, and no error.
 * Source: RFC 9110 section 14.1.2.
 */
export function resolveRange(range: ByteRangeRequest | undefined, sizeBytes: number): ByteSpan {
  if (range === undefined) return { offset: 0, length: sizeBytes };
  if (range.kind === 'suffix') {
    if (range.length <= 0) throw invalidRange(sizeBytes);
    const length = Math.min(range.length, sizeBytes);
    return { offset: sizeBytes - length, length };
  }
  const last = Math.min(range.last ?? sizeBytes - 1, sizeBytes - 1);
  if (range.first >= sizeBytes || last < range.first) throw invalidRange(sizeBytes);
  return { offset: range.first, length: last - range.first + 1 };
}

function invalidRange(sizeBytes: number): ObjectStoreError {
  return new ObjectStoreError('InvalidRange', 'The requested range is not satisfiable', {
    sizeBytes,
  });
}
