import type { KvReader } from '@holdfast/kv';
import type { KnownBucket } from './buckets.ts';
import { noSuchKey } from './conditions.ts';
import {
  findVersion,
  findVersionIn,
  hiddenByMarker,
  markerIsNoObject,
  noSuchVersion,
} from './find-version.ts';
import { objectKvKey } from './keys.ts';
import { readLatest, readRecord } from './latest-version.ts';
import { checkObjectKey } from './names.ts';
import { objectInfo } from './object-record.ts';
import type { ObjectAddress, ObjectInfo, VersionAddress } from './object-store.ts';
import type { StoreContext, VersionedObject } from './store-context.ts';
import { parseVersionId } from './version-id.ts';
import { isVersioned } from './versioning.ts';

/** A version that is an object, and its bucket. */
export interface FoundObject extends VersionedObject {
  readonly bucket: KnownBucket;
}

/** What callers see of it. */
export function infoOf({ bucket, key }: ObjectAddress, found: FoundObject): ObjectInfo {
  return objectInfo(bucket, key, found.record, isVersioned(found.bucket.record));
}

/**
 * The object as the store, or a view of it, has it. NoSuchBucket, NoSuchKey, NoSuchVersion; MethodNotAllowed for
 * a delete marker that is asked for by its id, or as the latest version.
 */
export async function findObject(
  context: StoreContext,
  request: VersionAddress & { readonly markerToo?: boolean },
  reader: KvReader = context.kv,
): Promise<FoundObject> {
  checkObjectKey(request.key);
  const known = await context.buckets.known(request.bucket);
  const found = await lookUp(context, known, request, reader);
  if (found !== undefined) return found;
  const bucket = await context.buckets.fresh(request.bucket);
  const changed = bucket.version !== known.version;
  const again = changed ? await lookUp(context, bucket, request, reader) : undefined;
  if (again !== undefined) return again;
  if (request.versionId !== undefined) throw noSuchVersion(request.key, request.versionId);
  const { marker } = await readLatest(reader, bucket, request.key);
  if (marker === undefined) throw noSuchKey(request.key);
  const refusal = request.markerToo === true ? markerIsNoObject : hiddenByMarker;
  throw refusal(request.key, marker.record);
}

async function lookUp(
  context: StoreContext,
  bucket: KnownBucket,
  { key, versionId }: VersionAddress,
  reader: KvReader,
): Promise<FoundObject | undefined> {
  const { bucketId } = bucket.record;
  if (versionId === undefined) {
    const found = await readRecord(reader, objectKvKey(bucketId, key));
    return found && { record: found.record, version: found.version, bucket };
  }
  const name = parseVersionId(versionId);
  const onView = reader !== context.kv;
  const found = onView
    ? await findVersionIn(reader, bucketId, key, name)
    : await findVersion(context, bucketId, key, name);
  if (found?.record.body.kind === 'marker') throw markerIsNoObject(key, found.record);
  return found && { ...found, bucket };
}
