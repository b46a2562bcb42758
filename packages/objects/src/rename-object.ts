import { type KnownBucket, pinBucket, unmarkBucket } from './buckets.ts';
import { useToken } from './client-tokens.ts';
import { conflict } from './commit-object.ts';
import { checkCopySourceConditions, checkWriteConditions, noSuchKey } from './conditions.ts';
import { checkCopiedTags } from './copy-object.ts';
import { ObjectStoreError } from './errors.ts';
import { writeChange } from './key-changes.ts';
import { idKey, KEY_SPACE, objectKvKey } from './keys.ts';
import { readLatest } from './latest-version.ts';
import { checkObjectKey } from './names.ts';
import { type ObjectBody, validatorsOf } from './object-record.ts';
import type { ObjectConditions, RenameObjectRequest } from './object-store.ts';
import { encodeBlobOwner, encodeGroupOwner } from './owner-record.ts';
import { commit, put, remove, type StoreContext } from './store-context.ts';
import { isVersioned } from './versioning.ts';

/**
 * Gives an object another key, in one transaction: its bytes are not touched, and metadata, tags, ETag and time stay.
 * Who reads meanwhile finds it under one of the two keys, never under both or none.
 */
export async function renameObject(
  context: StoreContext,
  request: RenameObjectRequest,
): Promise<void> {
  const { bucket, key, sourceKey } = request;
  checkObjectKey(key);
  checkObjectKey(sourceKey);
  for (const name of [key, sourceKey]) if (name.endsWith('/')) throw endsWithSlash();
  if (key === sourceKey) throw ontoItself();
  // In the order of the names, so that two renames never wait for each other.
  const [first, second] = [`${bucket}/${key}`, `${bucket}/${sourceKey}`].sort() as [string, string];
  await context.locks.run(first, () =>
    context.locks.run(second, async () => {
      for (let attempt = 0; attempt < context.limits.commitAttempts; attempt++) {
        if (await tryRename(context, request)) return;
      }
      throw conflict(key);
    }),
  );
}

/** Whether it is done: it is not where another write came first. */
async function tryRename(context: StoreContext, request: RenameObjectRequest): Promise<boolean> {
  const { key, sourceKey, clientToken } = request;
  const bucket = await context.buckets.fresh(request.bucket);
  if (isVersioned(bucket.record)) throw versionsStay();
  const { bucketId } = bucket.record;
  const { clientToken: _token, mayCopyTags: _tags, ...asked } = request;
  const token = await useToken(context, bucketId, clientToken, JSON.stringify(asked));
  if ('answer' in token) return true;

  const source = await readLatest(context.kv, bucket, sourceKey);
  if (source.object === undefined) throw noSuchKey(sourceKey);
  checkCopiedTags(request.mayCopyTags, source.object.record.metadata);
  const found = validatorsOf(source.object.record);
  checkCopySourceConditions(request.sourceConditions, found, 'x-amz-rename-source-');
  const target = await readLatest(context.kv, bucket, key);
  checkTarget(request.conditions, target.object && validatorsOf(target.object.record), key);

  const change = await writeChange(context, bucket, key, target, source.object.record);
  const nowMs = context.env.clock.nowMs();
  const failed = await commit(
    context,
    [pinBucket(bucket), ...source.conditions, ...change.conditions, ...token.conditions],
    [
      remove(objectKvKey(bucketId, sourceKey)),
      ...change.operations,
      ...ownedBy(source.object.record.body, bucket, key),
      ...token.operations(''),
      ...unmarkBucket(bucket),
      ...context.journal.operations(
        bucket,
        { name: 'ObjectRemoved:Delete', key: sourceKey, record: source.object.record },
        nowMs,
      ),
      ...context.journal.operations(
        bucket,
        { name: 'ObjectCreated:Copy', key, record: change.record },
        nowMs,
      ),
    ],
  );
  if (failed === 0 || bucket.record.deleting) context.buckets.forget(bucket.name);
  if (failed !== undefined) return false;
  context.sweeper.push(change.tasks);
  return true;
}

/** As of a write; and If-Modified-Since asks that there is a target, and that it was changed since. */
function checkTarget(
  conditions: ObjectConditions | undefined,
  current: ReturnType<typeof validatorsOf> | undefined,
  key: string,
): void {
  checkWriteConditions(conditions, current, key);
  if (conditions?.ifModifiedSinceMs === undefined || conditions.ifNoneMatch !== undefined) return;
  if (current === undefined) throw noSuchKey(key);
  checkCopySourceConditions({ ifModifiedSinceMs: conditions.ifModifiedSinceMs }, current, '');
}

/** The bytes belong to the new key: garbage collection asks their owner. */
function ownedBy(body: ObjectBody, bucket: KnownBucket, key: string): ReturnType<typeof put>[] {
  const { bucketId } = bucket.record;
  const owner = { kind: 'object', bucketId, key } as const;
  if (body.kind === 'blob') {
    return [put(idKey(KEY_SPACE.reference, body.blob.blobId), encodeBlobOwner(owner))];
  }
  if (body.kind !== 'parts') return [];
  return [put(idKey(KEY_SPACE.partGroup, body.uploadId), encodeGroupOwner(owner))];
}

function endsWithSlash(): ObjectStoreError {
  return new ObjectStoreError(
    'InvalidRequest',
    'RenameObject does not take keys that end with the delimiter /.',
  );
}

function ontoItself(): ObjectStoreError {
  return new ObjectStoreError('InvalidRequest', 'The source and the destination are the same key.');
}

/** Why: an older version would have to keep the bytes that the new key has. */
function versionsStay(): ObjectStoreError {
  return new ObjectStoreError(
    'InvalidBucketState',
    'RenameObject is for buckets that never had versioning.',
  );
}
