import { type KnownBucket, pinBucket, unmarkBucket } from './buckets.ts';
import { conflict } from './commit-object.ts';
import { checkDeleteConditions } from './conditions.ts';
import { deleteVersion } from './delete-version.ts';
import { checkJudged, notCurrent } from './judged-write.ts';
import { deleteChange } from './key-changes.ts';
import { type LatestVersion, readLatest } from './latest-version.ts';
import { checkObjectKey } from './names.ts';
import { validatorsOf, versionIdText } from './object-record.ts';
import type { DeleteObjectRequest, DeleteObjectResult } from './object-store.ts';
import { commit, type StoreContext } from './store-context.ts';
import { isVersioned } from './versioning.ts';

/**
 * Deletes an object; where there is none, that is no error unless a condition says so. In a bucket with
 * versioning a delete marker becomes the latest version, and nothing is lost; with a version id, that version is
 * deleted for good.
 */
export async function deleteObject(
  context: StoreContext,
  request: DeleteObjectRequest,
): Promise<DeleteObjectResult> {
  checkObjectKey(request.key);
  return await context.locks.run(`${request.bucket}/${request.key}`, async () => {
    for (let attempt = 0; attempt < context.limits.commitAttempts; attempt++) {
      const { versionId } = request;
      const done =
        versionId === undefined
          ? await tryDelete(context, request)
          : await deleteVersion(context, { ...request, versionId });
      if (done !== undefined) return done;
    }
    throw conflict(request.key);
  });
}

/** What was done; undefined where another write came first. */
async function tryDelete(
  context: StoreContext,
  request: DeleteObjectRequest,
): Promise<DeleteObjectResult | undefined> {
  const { key } = request;
  const bucket = await context.buckets.known(request.bucket);
  const latest = await readLatest(context.kv, bucket, key);
  if (latest.object === undefined) {
    const fresh = await context.buckets.fresh(request.bucket);
    if (fresh.version !== bucket.version) return undefined;
  }
  checkJudged(bucket, request);
  const current = latest.object ?? latest.marker;
  checkDeleteConditions(request.conditions, validatorsOf(current?.record), key);
  const versioned = isVersioned(bucket.record);
  if (current === undefined && (!versioned || request.conditions !== undefined)) {
    if (request.bucketVersion !== undefined) throw notCurrent();
    return {};
  }

  return await commitDelete(context, bucket, key, latest);
}

/**
 * Takes the latest version away: a delete marker takes its place, or nothing does. undefined where the bucket or the
 * key is no longer as `latest` has it: then nothing is done.
 */
export async function commitDelete(
  context: StoreContext,
  bucket: KnownBucket,
  key: string,
  latest: LatestVersion,
  kind: 'ObjectRemoved' | 'LifecycleExpiration' = 'ObjectRemoved',
): Promise<DeleteObjectResult | undefined> {
  const change = await deleteChange(context, bucket, key, latest);
  const marker = change.record;
  const event =
    marker === undefined
      ? ({ name: `${kind}:Delete`, key, record: latest.object?.record } as const)
      : ({ name: `${kind}:DeleteMarkerCreated`, key, record: marker } as const);
  const failed = await commit(
    context,
    [pinBucket(bucket), ...change.conditions],
    [
      ...change.operations,
      ...(marker === undefined ? [] : unmarkBucket(bucket)),
      ...context.journal.operations(bucket, event, context.env.clock.nowMs()),
    ],
  );
  if (failed === 0 || bucket.record.deleting) context.buckets.forget(bucket.name);
  if (failed !== undefined) return undefined;
  context.sweeper.push(change.tasks);
  if (marker === undefined) return {};
  return { deleteMarker: true, versionId: versionIdText(marker.version) };
}
