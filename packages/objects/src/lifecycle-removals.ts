/**
 * What a lifecycle rule takes away. Safety: each is one transaction that asks, in apply, that the bucket with its rules
 * and the version that was judged are as they were. So whatever a client writes meanwhile stays.
 */

import type { Operation } from '@holdfast/kv';
import type { KnownBucket } from './buckets.ts';
import { pinBucket } from './buckets.ts';
import { commitDelete } from './delete-object.ts';
import { markerKvKey, nullVersionKey } from './keys.ts';
import { isLocked } from './object-lock.ts';
import type { ObjectRecord } from './object-record.ts';
import { releaseBody, releaseGroup } from './release.ts';
import { commit, remove, type StoreContext, unchanged } from './store-context.ts';
import { isNullVersion } from './version-id.ts';
import type { WalkedVersion } from './version-walk.ts';
import { isVersioned, versioningOf } from './versioning.ts';

/** `raced`: something else was written first, and nothing was done. */
export type RemovalOutcome = 'removed' | 'locked' | 'raced';

/** The latest version of a key: a delete marker takes its place, or it is deleted. */
export async function expireLatest(
  context: StoreContext,
  bucket: KnownBucket,
  { key, kvKey, record, entryVersion }: WalkedVersion,
): Promise<RemovalOutcome> {
  const staysAsOlder = versioningOf(bucket.record) === 'enabled';
  if (!staysAsOlder && isLocked(record, context.env.clock.nowMs())) return 'locked';
  const conditions = [unchanged(kvKey, entryVersion)];
  if (isVersioned(bucket.record)) {
    conditions.push(unchanged(markerKvKey(bucket.record.bucketId, key), undefined));
  }
  const object = { record, version: entryVersion };
  const latest = { object, marker: undefined, conditions };
  const done = await commitDelete(context, bucket, key, latest, 'LifecycleExpiration');
  return done === undefined ? 'raced' : 'removed';
}

/**
 * A delete marker that is the only version of its key. Versions become older ones only in a transaction that writes the
 * latest: so while the marker is as it was read, there is no other.
 */
export async function removeMarker(
  context: StoreContext,
  bucket: KnownBucket,
  { key, kvKey, record, entryVersion }: WalkedVersion,
): Promise<RemovalOutcome> {
  const conditions = [pinBucket(bucket), unchanged(kvKey, entryVersion)];
  const failed = await commit(context, conditions, [
    remove(kvKey),
    ...expired(context, bucket, key, record),
  ]);
  return failed === undefined ? 'removed' : 'raced';
}

/** An older version, for good. `newer` are the places of older versions that must be there still. */
export async function expireNoncurrent(
  context: StoreContext,
  bucket: KnownBucket,
  { key, kvKey, record, entryVersion }: WalkedVersion,
  newer: readonly Uint8Array[],
): Promise<RemovalOutcome> {
  const nowMs = context.env.clock.nowMs();
  if (isLocked(record, nowMs)) return 'locked';
  const release = releaseBody(record.body, nowMs);
  const isNull = isNullVersion(record.version);
  const failed = await commit(
    context,
    [
      pinBucket(bucket),
      unchanged(kvKey, entryVersion),
      ...newer.map((place) => ({ kind: 'exists', key: place }) as const),
    ],
    [
      remove(kvKey),
      ...(isNull ? [remove(nullVersionKey(bucket.record.bucketId, key))] : []),
      ...release.operations,
      ...expired(context, bucket, key, record),
    ],
  );
  if (failed !== undefined) return 'raced';
  context.sweeper.push(release.tasks);
  return 'removed';
}

function expired(
  context: StoreContext,
  bucket: KnownBucket,
  key: string,
  record: ObjectRecord,
): readonly Operation[] {
  const nowMs = context.env.clock.nowMs();
  const change = { name: 'LifecycleExpiration:Delete', key, record } as const;
  return context.journal.operations(bucket, change, nowMs);
}

/** An open upload. A part or a Complete that comes first changes its record, or takes it away. */
export async function abortStaleUpload(
  context: StoreContext,
  bucket: KnownBucket,
  upload: { readonly kvKey: Uint8Array; readonly version: number; readonly uploadId: Uint8Array },
): Promise<RemovalOutcome> {
  const release = releaseGroup(upload.uploadId, context.env.clock.nowMs());
  const failed = await commit(
    context,
    [pinBucket(bucket), unchanged(upload.kvKey, upload.version)],
    [remove(upload.kvKey), ...release.operations],
  );
  if (failed !== undefined) return 'raced';
  context.sweeper.push(release.tasks);
  return 'removed';
}
