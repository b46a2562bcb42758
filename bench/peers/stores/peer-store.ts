/** An ordered store under measurement, as its own users would use it. */
export interface PeerStore {
  /** Writes entries in one batch; durable, by a sync of the disk, when it is done. */
  putBatch(entries: readonly PeerEntry[]): Promise<void>;
  /** The key's value, in the form that costs the store least: a promise, or at once. */
  get(key: Uint8Array): Uint8Array | undefined | Promise<Uint8Array | undefined>;
  /** Up to `limit` entries from `key` on, keys and values as bytes. */
  scan(key: Uint8Array, limit: number): Promise<readonly PeerEntry[]>;
  close(): Promise<void>;
}

export interface PeerEntry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

export type PeerName = 'holdfast' | 'classic-level' | 'lmdb';

/** Given to every store that takes such numbers, so that none has more memory to work with than another. */
export const BLOCK_CACHE_BYTES: number = 64 * 1024 * 1024;
export const WRITE_BUFFER_BYTES: number = 32 * 1024 * 1024;
