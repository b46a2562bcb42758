/**
 * What a transaction asks and does to change one key: several of them, of different keys of one bucket, may be in one
 * transaction. The caller pins the bucket.
 */
import type { Condition, Operation } from '@holdfast/kv';
import type { KnownBucket } from './buckets.ts';
import { inBucket } from './commit-object.ts';
import { markerKvKey, objectKvKey } from './keys.ts';
import { type LatestVersion, succeed } from './latest-version.ts';
import { encodeObjectRecord, type ObjectRecord } from './object-record.ts';
import { put, remove, type StoreContext } from './store-context.ts';
import type { SweepTask } from './sweeper.ts';
import { isVersioned } from './versioning.ts';

export interface KeyChange {
  /** Hold only while the key's latest version is as it was read. */
  readonly conditions: readonly Condition[];
  readonly operations: readonly Operation[];
  /** For the sweeper, once the transaction has committed. */
  readonly tasks: readonly SweepTask[];
  /** The latest version afterwards, a delete marker too; undefined where there is none. */
  readonly record: ObjectRecord | undefined;
}

/** A record becomes the latest version; its version, and the bucket's default retention, are decided here. */
export async function writeChange(
  context: StoreContext,
  bucket: KnownBucket,
  key: string,
  latest: LatestVersion,
  given: ObjectRecord,
): Promise<KeyChange> {
  const nowMs = context.env.clock.nowMs();
  const { version, conditions, operations, release } = await succeed(
    context,
    bucket,
    key,
    latest,
    nowMs,
  );
  const record = inBucket(bucket, { ...given, version }, nowMs);
  const place = objectKvKey(bucket.record.bucketId, key);
  return {
    conditions,
    operations: [...operations, put(place, encodeObjectRecord(record)), ...release.operations],
    tasks: release.tasks,
    record,
  };
}

/** The latest version goes: a delete marker takes its place, or nothing does. */
export async function deleteChange(
  context: StoreContext,
  bucket: KnownBucket,
  key: string,
  latest: LatestVersion,
): Promise<KeyChange> {
  const { bucketId } = bucket.record;
  const nowMs = context.env.clock.nowMs();
  const succession = await succeed(context, bucket, key, latest, nowMs);
  const record = isVersioned(bucket.record)
    ? deleteMarker(nowMs, succession.version, bucket.record.ownerId)
    : undefined;
  const change =
    record === undefined
      ? remove(objectKvKey(bucketId, key))
      : put(markerKvKey(bucketId, key), encodeObjectRecord(record));
  return {
    conditions: succession.conditions,
    operations: [...succession.operations, change, ...succession.release.operations],
    tasks: succession.release.tasks,
    record,
  };
}

function deleteMarker(
  nowMs: number,
  version: ObjectRecord['version'],
  ownerId: string,
): ObjectRecord {
  return {
    sizeBytes: 0,
    modifiedMs: nowMs,
    md5: new Uint8Array(16),
    partCount: 0,
    checksum: undefined,
    body: { kind: 'marker' },
    metadata: { user: {}, ownerId },
    version,
  };
}
