/** Changes of what is said about a version that exists: its bytes, ETag and time stay. */
import { type KnownBucket, pinBucket, unmarkBucket } from './buckets.ts';
import { conflict } from './commit-object.ts';
import { noSuchKey } from './conditions.ts';
import { type FoundVersion, findVersion, markerIsNoObject, noSuchVersion } from './find-version.ts';
import type { ChangeName } from './journal/object-change.ts';
import { objectKvKey } from './keys.ts';
import { readLatest } from './latest-version.ts';
import { checkObjectKey } from './names.ts';
import { checkRetentionChange, requireObjectLock, retentionText } from './object-lock.ts';
import { encodeObjectRecord, type ObjectRecord, objectInfo } from './object-record.ts';
import type {
  ObjectAccess,
  ObjectInfo,
  ObjectMetadata,
  PutObjectRetentionRequest,
  VersionAddress,
} from './object-store.ts';
import { commit, put, type StoreContext, unchanged } from './store-context.ts';
import { parseVersionId } from './version-id.ts';
import { isVersioned } from './versioning.ts';

export async function putObjectAccess(
  context: StoreContext,
  address: VersionAddress,
  access: ObjectAccess,
): Promise<ObjectInfo> {
  return await changeMetadata(context, address, 'ObjectAcl:Put', ({ metadata }) => {
    const { ownerId: _owner, acl: _acl, ...others } = metadata;
    return { ...others, ...access };
  });
}

export async function putObjectTagging(
  context: StoreContext,
  address: VersionAddress,
  tagging: string | undefined,
): Promise<ObjectInfo> {
  const event = tagging === undefined ? 'ObjectTagging:Delete' : 'ObjectTagging:Put';
  return await changeMetadata(context, address, event, ({ metadata }) => {
    const { tagging: _old, ...others } = metadata;
    return tagging === undefined ? others : { ...others, tagging };
  });
}

export async function putObjectRetention(
  context: StoreContext,
  request: PutObjectRetentionRequest,
): Promise<ObjectInfo> {
  const { retention, bypassGovernance = false } = request;
  return await changeMetadata(context, request, 'ObjectLock:Put', (record, bucket) => {
    requireObjectLock(bucket.record);
    checkRetentionChange(record, retention, context.env.clock.nowMs(), bypassGovernance);
    const { retention: _old, ...others } = record.metadata;
    return retention === undefined ? others : { ...others, retention: retentionText(retention) };
  });
}

export async function putObjectLegalHold(
  context: StoreContext,
  address: VersionAddress,
  hold: 'ON' | 'OFF',
): Promise<ObjectInfo> {
  return await changeMetadata(context, address, 'ObjectLock:Put', ({ metadata }, bucket) => {
    requireObjectLock(bucket.record);
    return { ...metadata, legalHold: hold };
  });
}

/** What `change` makes of the version as it is when it commits. NoSuchKey, NoSuchVersion, MethodNotAllowed. */
async function changeMetadata(
  context: StoreContext,
  address: VersionAddress,
  event: ChangeName,
  change: (record: ObjectRecord, bucket: KnownBucket) => ObjectMetadata,
): Promise<ObjectInfo> {
  const { key } = address;
  checkObjectKey(key);
  for (let attempt = 0; attempt < context.limits.commitAttempts; attempt++) {
    const bucket = await context.buckets.fresh(address.bucket);
    const found = await findObject(context, bucket, address);
    const record = { ...found.record, metadata: change(found.record, bucket) };
    const failed = await commit(
      context,
      [pinBucket(bucket), unchanged(found.kvKey, found.version)],
      [
        put(found.kvKey, encodeObjectRecord(record)),
        ...unmarkBucket(bucket),
        ...context.journal.operations(
          bucket,
          { name: event, key, record },
          context.env.clock.nowMs(),
        ),
      ],
    );
    if (failed !== undefined || bucket.record.deleting) context.buckets.forget(address.bucket);
    if (failed === undefined) {
      return objectInfo(address.bucket, key, record, isVersioned(bucket.record));
    }
  }
  throw conflict(key);
}

async function findObject(
  context: StoreContext,
  bucket: KnownBucket,
  { key, versionId }: VersionAddress,
): Promise<FoundVersion> {
  const { bucketId } = bucket.record;
  if (versionId === undefined) {
    const { object, marker } = await readLatest(context.kv, bucket, key);
    if (object !== undefined) {
      return { ...object, kvKey: objectKvKey(bucketId, key), isLatest: true };
    }
    throw marker === undefined ? noSuchKey(key) : markerIsNoObject(key, marker.record);
  }
  const found = await findVersion(context, bucketId, key, parseVersionId(versionId));
  if (found === undefined) throw noSuchVersion(key, versionId);
  if (found.record.body.kind === 'marker') throw markerIsNoObject(key, found.record);
  return found;
}
