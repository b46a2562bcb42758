import type { Condition, Operation } from '@holdfast/kv';
import { type KnownBucket, pinBucket, unmarkBucket } from './buckets.ts';
import { ObjectStoreError } from './errors.ts';
import { objectKvKey } from './keys.ts';
import { encodeObjectRecord, type ObjectRecord } from './object-record.ts';
import type { ObjectAddress } from './object-store.ts';
import { releaseBody } from './release.ts';
import { commit, put, readObject, type StoreContext, unchanged } from './store-context.ts';

export interface ObjectWrite extends ObjectAddress {
  /** Throws where the request's conditions do not hold for the object as it is now. */
  readonly check: (current: ObjectRecord | undefined) => void;
  /** The record to write at the wall-clock time `nowMs`. */
  readonly record: (nowMs: number) => ObjectRecord;
  /** Asked for in the same transaction: where one does not hold, the result is `undefined`. */
  readonly conditions: readonly Condition[];
  /** Done in the same transaction. */
  readonly operations: (bucket: KnownBucket, record: ObjectRecord) => readonly Operation[];
}

/**
 * The commit point of every write of an object: one transaction that asks whether the bucket and the
 * object are still as they were when the request's conditions were judged, writes the record, keeps
 * the new bytes and lets go of the old ones. Lost races are judged anew; each was won by another
 * writer, so somebody makes progress.
 */
export async function commitObject(
  context: StoreContext,
  write: ObjectWrite,
): Promise<ObjectRecord | undefined> {
  return await context.locks.run(`${write.bucket}/${write.key}`, async () => {
    for (let attempt = 0; attempt < context.limits.commitAttempts; attempt++) {
      const outcome = await tryCommit(context, write);
      if (outcome === 'lost') return undefined;
      if (outcome !== 'raced') return outcome;
    }
    throw new ObjectStoreError(
      'ConditionalRequestConflict',
      'A conflicting operation occurred during this request. Try again.',
      { key: write.key },
    );
  });
}

async function tryCommit(
  context: StoreContext,
  write: ObjectWrite,
): Promise<ObjectRecord | 'raced' | 'lost'> {
  const bucket = await context.buckets.known(write.bucket);
  const { bucketId } = bucket.record;
  const current = await readObject(context.kv, bucketId, write.key);
  // Why: a remembered bucket that is gone shows no object, and would judge the conditions wrongly.
  if (current === undefined) {
    const fresh = await context.buckets.fresh(write.bucket);
    if (fresh.version !== bucket.version) return 'raced';
  }
  write.check(current?.record);

  const kvKey = objectKvKey(bucketId, write.key);
  const nowMs = context.env.clock.nowMs();
  const record = write.record(nowMs);
  const release = releaseBody(current?.record.body, nowMs);
  const failed = await commit(
    context,
    [pinBucket(bucket), unchanged(kvKey, current?.version), ...write.conditions],
    [
      put(kvKey, encodeObjectRecord(record)),
      ...write.operations(bucket, record),
      ...release.operations,
      ...unmarkBucket(bucket),
    ],
  );
  if (failed === undefined) {
    if (bucket.record.deleting) context.buckets.forget(write.bucket);
    context.sweeper.push(release.tasks);
    return record;
  }
  if (failed === 0) context.buckets.forget(write.bucket);
  return failed <= 1 ? 'raced' : 'lost';
}
