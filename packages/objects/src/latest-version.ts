/**
 * The latest version of a key, and how another one takes its place.
 *
 * Invariant: of a key at most one of two entries is there: the current object (`object` space), or a delete
 * marker that is the latest version (`deleteMarker` space). All other versions are in the `objectVersion`
 * space. Where neither is there, the key has no version at all.
 *
 * Safety: each transaction that adds a version, or takes the latest one away, asks that both entries are as
 * they were read. So the versions of a key have one order, in which each commit saw the one before it; and
 * versions leave the `objectVersion` space, but enter it only in such a transaction.
 */
import type { Condition, KvEntryWithValue, KvReader, Operation } from '@holdfast/kv';
import type { KnownBucket } from './buckets.ts';
import { markerKvKey, nullVersionKey, objectKvKey, versionKey, versionsOfKey } from './keys.ts';
import {
  decodeObjectRecord,
  encodeObjectRecord,
  type ObjectRecord,
  type RecordVersion,
} from './object-record.ts';
import { NO_RELEASE, type Release, releaseBody } from './release.ts';
import {
  put,
  remove,
  type StoreContext,
  unchanged,
  type VersionedObject,
} from './store-context.ts';
import { isNullVersion, newVersionId, sortId } from './version-id.ts';
import { isVersioned, versioningOf } from './versioning.ts';

/** What a key's latest version was at one time. */
export interface LatestVersion {
  readonly object: VersionedObject | undefined;
  readonly marker: VersionedObject | undefined;
  /** Hold only while both are as they were read. */
  readonly conditions: readonly Condition[];
}

export async function readLatest(
  reader: KvReader,
  bucket: KnownBucket,
  key: string,
): Promise<LatestVersion> {
  const { bucketId } = bucket.record;
  const kvKey = objectKvKey(bucketId, key);
  const object = recordOf(await reader.get(kvKey));
  const isCurrent = unchanged(kvKey, object?.version);
  // A bucket that never had versioning has no markers; its record is pinned by every write.
  if (!isVersioned(bucket.record)) return { object, marker: undefined, conditions: [isCurrent] };
  const marker =
    object === undefined ? recordOf(await reader.get(markerKvKey(bucketId, key))) : undefined;
  const isMarked = unchanged(markerKvKey(bucketId, key), marker?.version);
  return { object, marker, conditions: [isCurrent, isMarked] };
}

/** A record and the version of its entry. */
export async function readRecord(
  reader: KvReader,
  kvKey: Uint8Array,
): Promise<VersionedObject | undefined> {
  return recordOf(await reader.get(kvKey));
}

function recordOf(entry: KvEntryWithValue | undefined): VersionedObject | undefined {
  if (entry === undefined) return undefined;
  return { record: decodeObjectRecord(entry.value), version: entry.version };
}

/** What the transaction that writes a new latest version asks and does besides writing it. */
export interface Succession {
  /** Of the new record. */
  readonly version: RecordVersion | undefined;
  readonly conditions: readonly Condition[];
  readonly operations: readonly Operation[];
  readonly release: Release;
}

/**
 * Makes place for a new latest version, an object or a marker: with versioning the old one becomes an older
 * version; suspended, the null version, wherever it is, is let go of; without, the old object is. Only a null version
 * that is an older one is looked for.
 */
export function succeed(
  context: StoreContext,
  bucket: KnownBucket,
  key: string,
  latest: LatestVersion,
  nowMs: number,
): Succession | Promise<Succession> {
  const state = versioningOf(bucket.record);
  const old = latest.object?.record ?? latest.marker?.record;
  const { bucketId } = bucket.record;
  if (state === 'off') {
    const release = releaseBody(old?.body, nowMs);
    return { version: undefined, conditions: latest.conditions, operations: [], release };
  }
  const version = {
    id: newVersionId(context.env.random, nowMs, old),
    isNull: state === 'suspended',
  };
  const operations: Operation[] = [
    ...(latest.object === undefined ? [] : [remove(objectKvKey(bucketId, key))]),
    ...(latest.marker === undefined ? [] : [remove(markerKvKey(bucketId, key))]),
  ];
  const replaced = state === 'suspended' && old !== undefined && isNullVersion(old.version);
  if (old !== undefined && !replaced) operations.push(...becomeOlder(bucketId, key, old));
  if (state === 'enabled' || replaced) {
    const release = replaced ? releaseBody(old?.body, nowMs) : NO_RELEASE;
    return { version, conditions: latest.conditions, operations, release };
  }
  return dropOlderNull(context, bucketId, key, nowMs).then((dropped) => ({
    version,
    conditions: [...latest.conditions, ...dropped.conditions],
    operations: [...operations, ...dropped.operations],
    release: dropped.release,
  }));
}

/** The latest version becomes an older one. */
function becomeOlder(bucketId: Uint8Array, key: string, record: ObjectRecord): Operation[] {
  const id = sortId(record);
  const isNull = isNullVersion(record.version);
  const older = encodeObjectRecord({ ...record, version: { id, isNull } });
  const operations = [put(versionKey(bucketId, key, id), older)];
  if (isNull) operations.push(put(nullVersionKey(bucketId, key), id));
  return operations;
}

/** Lets go of the null version where it is an older one. */
async function dropOlderNull(
  context: StoreContext,
  bucketId: Uint8Array,
  key: string,
  nowMs: number,
): Promise<Omit<Succession, 'version'>> {
  const pointerKey = nullVersionKey(bucketId, key);
  const pointer = await context.kv.get(pointerKey);
  if (pointer === undefined) {
    return { conditions: [unchanged(pointerKey, undefined)], operations: [], release: NO_RELEASE };
  }
  const kvKey = versionKey(bucketId, key, pointer.value);
  const old = await readRecord(context.kv, kvKey);
  const release = releaseBody(old?.record.body, nowMs);
  return {
    conditions: [unchanged(pointerKey, pointer.version), unchanged(kvKey, old?.version)],
    operations: [remove(pointerKey), remove(kvKey)],
    release,
  };
}

/** The newest older version takes the place of the latest one, which the caller takes away. */
export async function promoteNewest(
  context: StoreContext,
  bucketId: Uint8Array,
  key: string,
): Promise<{ readonly conditions: readonly Condition[]; readonly operations: Operation[] }> {
  const page = await context.kv.scan({ ...versionsOfKey(bucketId, key), limit: 1 });
  const newest = page.entries[0];
  if (newest === undefined) return { conditions: [], operations: [] };
  const record = decodeObjectRecord(newest.value);
  const isMarker = record.body.kind === 'marker';
  const place = isMarker ? markerKvKey(bucketId, key) : objectKvKey(bucketId, key);
  const operations = [remove(newest.key), put(place, newest.value)];
  if (isNullVersion(record.version)) operations.push(remove(nullVersionKey(bucketId, key)));
  return { conditions: [unchanged(newest.key, newest.version)], operations };
}
