import { equalBytes } from '@holdfast/bytes';
import type { Condition, Operation } from '@holdfast/kv';
import { type KnownBucket, pinBucket } from './buckets.ts';
import { checkDeleteConditions } from './conditions.ts';
import { type FoundVersion, findVersion } from './find-version.ts';
import { checkJudged, notCurrent } from './judged-write.ts';
import { nullVersionKey } from './keys.ts';
import { promoteNewest, readLatest } from './latest-version.ts';
import { checkRemovable } from './object-lock.ts';
import { validatorsOf } from './object-record.ts';
import type { DeleteObjectRequest, DeleteObjectResult } from './object-store.ts';
import { releaseBody } from './release.ts';
import { commit, remove, type StoreContext, unchanged } from './store-context.ts';
import { isNullVersion, parseVersionId } from './version-id.ts';
import { isVersioned } from './versioning.ts';

/**
 * Deletes one version for good. Where it was the latest, the newest of the others takes its place. AccessDenied
 * while object lock protects it. undefined where another write came first.
 */
export async function deleteVersion(
  context: StoreContext,
  request: DeleteObjectRequest & { readonly versionId: string },
): Promise<DeleteObjectResult | undefined> {
  const { key, versionId, conditions } = request;
  const name = parseVersionId(versionId);
  const bucket = await context.buckets.known(request.bucket);
  const { bucketId } = bucket.record;
  const found = await findVersion(context, bucketId, key, name);
  if (found === undefined) {
    const fresh = await context.buckets.fresh(request.bucket);
    if (!equalBytes(fresh.record.bucketId, bucketId)) return undefined;
    if (request.bucketVersion !== undefined) throw notCurrent();
    // What is not there is deleted already, whatever the conditions are.
    return { versionId };
  }
  checkJudged(bucket, request);
  const nowMs = context.env.clock.nowMs();
  const isMarker = found.record.body.kind === 'marker';
  checkDeleteConditions(conditions, validatorsOf(found.record), key);
  if (request.ignoreLock !== true) {
    checkRemovable(found.record, nowMs, request.bypassGovernance ?? false);
  }
  const change = await removal(context, bucket, key, found);
  if (change === undefined) return undefined;
  const release = releaseBody(found.record.body, nowMs);
  const failed = await commit(
    context,
    [pinBucket(bucket), unchanged(found.kvKey, found.version), ...change.conditions],
    [
      remove(found.kvKey),
      ...change.operations,
      ...release.operations,
      ...context.journal.operations(
        bucket,
        { name: 'ObjectRemoved:Delete', key, record: found.record },
        nowMs,
      ),
    ],
  );
  if (failed === 0) context.buckets.forget(request.bucket);
  if (failed !== undefined) return undefined;
  context.sweeper.push(release.tasks);
  return { versionId, ...(isMarker ? { deleteMarker: true } : {}) };
}

/** What has to happen besides the removal of the record itself. */
async function removal(
  context: StoreContext,
  bucket: KnownBucket,
  key: string,
  found: FoundVersion,
): Promise<
  { readonly conditions: readonly Condition[]; readonly operations: Operation[] } | undefined
> {
  const { bucketId } = bucket.record;
  if (!found.isLatest) {
    const isNull = isNullVersion(found.record.version);
    return { conditions: [], operations: isNull ? [remove(nullVersionKey(bucketId, key))] : [] };
  }
  if (!isVersioned(bucket.record)) return { conditions: [], operations: [] };
  const latest = await readLatest(context.kv, bucket, key);
  const promoted = await promoteNewest(context, bucketId, key);
  return { ...promoted, conditions: [...latest.conditions, ...promoted.conditions] };
}
