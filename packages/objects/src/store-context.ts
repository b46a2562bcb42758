import type { Env } from '@holdfast/env';
import type { Condition, KvStore, Operation, TransactResult } from '@holdfast/kv';
import type { Buckets } from './buckets.ts';
import type { BufferPool } from './buffer-pool.ts';
import type { KeyServices } from './data-keys.ts';
import type { Journal } from './journal/journal.ts';
import type { KeyLocks } from './key-locks.ts';
import { ID_SIZE_BYTES } from './keys.ts';
import type { ObjectStoreLimits } from './limits.ts';
import type { ObjectRecord } from './object-record.ts';
import type { PinnedViews } from './pinned-views.ts';
import type { Slots } from './slots.ts';
import type { Sweeper } from './sweeper.ts';

/** What every operation of one store shares. */
export interface StoreContext extends KeyServices {
  readonly kv: KvStore;
  readonly env: Env;
  readonly limits: ObjectStoreLimits;
  readonly buckets: Buckets;
  readonly locks: KeyLocks;
  readonly writeBuffers: BufferPool;
  /** As `writeBuffers`, in memory that worker threads share: they seal what is encrypted in its buffer. */
  readonly sharedWriteBuffers: BufferPool;
  readonly chunkCommits: Slots;
  readonly readBuffers: BufferPool;
  readonly pinnedViews: PinnedViews;
  /** As `readBuffers`, in memory that worker threads share: they open what is encrypted in its buffer. */
  readonly sharedReadBuffers: BufferPool;
  readonly sweeper: Sweeper;
  readonly journal: Journal;
  /** Blobs that a put of this process is writing, in hexadecimal: their intents are not crashed. */
  readonly liveBlobs: Set<string>;
}

/** A fresh bucketId or blobId. */
export function newId(context: StoreContext): Uint8Array {
  return context.env.random.bytes(ID_SIZE_BYTES);
}

/** An object's record and the version that a write pins. */
export interface VersionedObject {
  readonly record: ObjectRecord;
  readonly version: number;
}

/** The condition that a key is still as it was read. */
export function unchanged(kvKey: Uint8Array, version: number | undefined): Condition {
  if (version === undefined) return { kind: 'absent', key: kvKey };
  return { kind: 'versionEquals', key: kvKey, version };
}

/** `crc`: the value's CRC-32, where it is known. */
export function put(key: Uint8Array, value: Uint8Array, crc?: number): Operation {
  return { kind: 'put', key, value, crc };
}

export function remove(key: Uint8Array): Operation {
  return { kind: 'delete', key };
}

/** Commits, or names the condition that did not hold by its position; undefined where all did. */
export async function commit(
  context: StoreContext,
  conditions: readonly Condition[],
  operations: readonly Operation[],
): Promise<number | undefined> {
  const result: TransactResult = await context.kv.transact({ conditions, operations });
  return result.committed ? undefined : result.failedCondition;
}
