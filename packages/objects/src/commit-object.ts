import type { Condition, Operation, Transaction, TransactResult } from '@holdfast/kv';
import { type KnownBucket, pinBucket, unmarkBucket } from './buckets.ts';
import { ObjectStoreError } from './errors.ts';
import type { ChangeName } from './journal/object-change.ts';
import { checkJudged, type JudgedWrite } from './judged-write.ts';
import { objectKvKey } from './keys.ts';
import { readLatest, type Succession, succeed } from './latest-version.ts';
import { checkLockAllowed, withDefaultRetention } from './object-lock.ts';
import { encodeObjectRecord, type ObjectRecord } from './object-record.ts';
import type { ObjectAddress } from './object-store.ts';
import { put, type StoreContext } from './store-context.ts';

export interface ObjectWrite extends ObjectAddress, JudgedWrite {
  /** What the write is called where changes are told. */
  readonly event: ChangeName;
  /** Throws where the request's conditions do not hold for the object as it is now, and since the revision of its last change. */
  readonly check: (current: ObjectRecord | undefined, changedAt: number | undefined) => void;
  /** The record to write at the wall-clock time `nowMs`; its version is decided here. */
  readonly record: (nowMs: number) => ObjectRecord;
  /** Asked for in the same transaction: where one does not hold, the result says which. */
  readonly conditions: readonly Condition[];
  /** Whether a chunk is among the operations. */
  readonly carriesChunk?: boolean;
  /** Done in the same transaction. */
  readonly operations: (bucket: KnownBucket, record: ObjectRecord) => readonly Operation[];
}

/** Nothing was written, since this does not hold. */
export interface LostCondition {
  readonly lost: Condition;
}

/**
 * The commit point of every write of an object: one transaction that asks whether the bucket and the
 * key's latest version are still as they were when the request's conditions were judged, writes the
 * record, keeps the new bytes, and makes the old version an older one or lets go of it. Lost races are
 * judged anew; each was won by another writer, so somebody makes progress.
 */
export async function commitObject(
  context: StoreContext,
  write: ObjectWrite,
): Promise<ObjectRecord | LostCondition> {
  const lock = `${write.bucket}/${write.key}`;
  const turn = context.locks.enter(lock);
  if (turn !== undefined) await turn;
  try {
    for (let attempt = 0; attempt < context.limits.commitAttempts; attempt++) {
      const outcome = await tryCommit(context, write);
      if (outcome !== 'raced') return outcome;
    }
  } finally {
    context.locks.leave(lock);
  }
  throw conflict(write.key);
}

/** ConditionalRequestConflict: other processes won too many races. */
export function conflict(key: string): ObjectStoreError {
  return new ObjectStoreError(
    'ConditionalRequestConflict',
    'A conflicting operation occurred during this request. Try again.',
    { key },
  );
}

async function tryCommit(
  context: StoreContext,
  write: ObjectWrite,
): Promise<ObjectRecord | LostCondition | 'raced'> {
  const known = context.buckets.known(write.bucket);
  const bucket = known instanceof Promise ? await known : known;
  const latest = await readLatest(context.kv, bucket, write.key);
  // Why: a remembered bucket that is gone shows no object, and would judge the conditions wrongly.
  if (latest.object === undefined) {
    const fresh = await context.buckets.fresh(write.bucket);
    if (fresh.version !== bucket.version) return 'raced';
  }
  checkJudged(bucket, write);
  write.check(latest.object?.record, latest.object?.version);

  const nowMs = context.env.clock.nowMs();
  const succeeding = succeed(context, bucket, write.key, latest, nowMs);
  const succession = succeeding instanceof Promise ? await succeeding : succeeding;
  const { record, transaction } = transactionOf(context, write, bucket, succession, nowMs);
  const result = await (write.carriesChunk === true
    ? transactChunk(context, transaction)
    : context.kv.transact(transaction));
  if (result.committed) {
    if (bucket.record.deleting) context.buckets.forget(write.bucket);
    context.sweeper.push(succession.release.tasks);
    return record;
  }
  if (result.failedCondition === 0) context.buckets.forget(write.bucket);
  // Where the bucket's or the key's does not hold, another writer came first.
  const lost = write.conditions[result.failedCondition - 1 - succession.conditions.length];
  return lost === undefined ? 'raced' : { lost };
}

/** Who has a place among the chunks waits for nobody but the KvStore, so the lock of a key is no place to wait in vain. */
async function transactChunk(
  context: StoreContext,
  transaction: Transaction,
): Promise<TransactResult> {
  await context.chunkCommits.take();
  try {
    return await context.kv.transact(transaction);
  } finally {
    context.chunkCommits.give();
  }
}

function transactionOf(
  context: StoreContext,
  write: ObjectWrite,
  bucket: KnownBucket,
  succession: Succession,
  nowMs: number,
): { readonly transaction: Transaction; readonly record: ObjectRecord } {
  const record = inBucket(bucket, { ...write.record(nowMs), version: succession.version }, nowMs);
  const kvKey = objectKvKey(bucket.record.bucketId, write.key);
  const transaction: Transaction = {
    conditions: [pinBucket(bucket), ...succession.conditions, ...write.conditions],
    operations: [
      ...succession.operations,
      put(kvKey, encodeObjectRecord(record)),
      ...write.operations(bucket, record),
      ...succession.release.operations,
      ...unmarkBucket(bucket),
      ...context.journal.operations(bucket, { name: write.event, key: write.key, record }, nowMs),
    ],
  };
  return { transaction, record };
}

/** The record as its bucket's object lock will have it. InvalidRequest for a lock that the bucket cannot give. */
export function inBucket(bucket: KnownBucket, record: ObjectRecord, nowMs: number): ObjectRecord {
  checkLockAllowed(bucket.record, record.metadata);
  const metadata = withDefaultRetention(bucket.record, record.metadata, nowMs);
  return metadata === record.metadata ? record : { ...record, metadata };
}
