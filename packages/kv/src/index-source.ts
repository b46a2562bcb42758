import type { IndexRecord } from './index-record.ts';

/**
 * A walk over one sorted part of the index, in one direction. Before the first `seek` it stands nowhere.
 * A step that needs a block that is not in memory returns a promise, and the source may not be used
 * until it resolves; every other step is done when it returns.
 */
export interface IndexSource {
  /** Internal key at the position; undefined at the end. */
  readonly key: Uint8Array | undefined;
  /** Record at the position; only where there is a key. */
  readonly record: IndexRecord;
  /** Bytes that the key shares, at least, with the key before the last `advance`; 0 or left out where that is not known. */
  readonly shared?: number;
  /** To the first key at or past `key` in the direction of the walk; undefined: the very first. */
  seek(key: Uint8Array | undefined): Promise<void> | undefined;
  advance(): Promise<void> | undefined;
}
