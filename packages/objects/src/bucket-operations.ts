import { compareBytes, fromUtf8, utf8 } from '@holdfast/bytes';
import { KvError } from '@holdfast/kv';
import type { ListBucketsOptions, ListBucketsPage } from './bucket-page.ts';
import { bucketOf, decodeBucketRecord, encodeBucketRecord } from './bucket-record.ts';
import { bucketIsBusy } from './bucket-settings.ts';
import { type KnownBucket, pinBucket } from './buckets.ts';
import { ObjectStoreError } from './errors.ts';
import { entriesOf, keyAfter } from './key-range.ts';
import { bucketKey, KEY_SPACE, spaceRange } from './keys.ts';
import { checkBucketName } from './names.ts';
import type { Bucket } from './object-store.ts';
import { releaseById } from './release.ts';
import { commit, newId, put, remove, type StoreContext } from './store-context.ts';

export async function createBucket(
  context: StoreContext,
  name: string,
  options: Pick<Bucket, 'ownerId' | 'region'> & Partial<Pick<Bucket, 'settings'>>,
): Promise<Bucket> {
  checkBucketName(name);
  const createdMs = context.env.clock.nowMs();
  const { ownerId, region, settings = new Map<string, string>() } = options;
  const bucketId = newId(context);
  const record = { bucketId, createdMs, deleting: false, ownerId, region, settings };
  const key = bucketKey(name);
  try {
    const created = await context.kv.transact({
      conditions: [{ kind: 'absent', key }],
      operations: [put(key, encodeBucketRecord(record))],
    });
    if (created.committed) return bucketOf(name, created.revision, record);
  } catch (error) {
    // Why: a full volume refuses it before anybody looks whether there is anything to write.
    const isFull = error instanceof KvError && error.code === 'KV_NO_SPACE';
    if (!isFull || (await context.kv.get(key)) === undefined) throw error;
  }
  const existing = await context.kv.get(key);
  // Deleted in between: to the caller it was there.
  const owner =
    existing === undefined ? options.ownerId : decodeBucketRecord(existing.value).ownerId;
  if (owner === options.ownerId) {
    throw new ObjectStoreError(
      'BucketAlreadyOwnedByYou',
      'Your previous request to create the named bucket succeeded and you already own it.',
      { bucket: name },
    );
  }
  throw new ObjectStoreError(
    'BucketAlreadyExists',
    'The requested bucket name is not available. Please select a different name and try again.',
    { bucket: name },
  );
}

export function getBucket(context: StoreContext, name: string): Promise<Bucket> {
  return context.buckets.fresh(name).then(publicBucket);
}

function publicBucket({ name, version, record }: KnownBucket): Bucket {
  return bucketOf(name, version, record);
}

/**
 * Deletes an empty bucket. Safety: emptiness is looked up between a mark and the delete that asks for
 * the mark's version. A write that has not seen the mark fails, for its transaction asks for the
 * version before; one that has seen it takes it away, and the delete fails.
 */
export async function deleteBucket(context: StoreContext, name: string): Promise<void> {
  for (let attempt = 0; attempt < context.limits.commitAttempts; attempt++) {
    const bucket = await context.buckets.fresh(name);
    await refuseUnlessEmpty(context, bucket);
    const marked = await mark(context, bucket);
    if (marked === undefined) continue;
    await refuseUnlessEmpty(context, marked);
    const { bucketId } = bucket.record;
    const release = releaseById('bucket', bucketId, context.env.clock.nowMs());
    const failed = await commit(
      context,
      [pinBucket(marked)],
      [remove(bucketKey(name)), ...release.operations],
    );
    context.buckets.forget(name);
    if (failed !== undefined) continue;
    context.sweeper.push(release.tasks);
    return;
  }
  throw bucketIsBusy(name);
}

/** The bucket with its mark, or undefined where another came first. */
async function mark(context: StoreContext, bucket: KnownBucket): Promise<KnownBucket | undefined> {
  if (bucket.record.deleting) return bucket;
  const record = { ...bucket.record, deleting: true };
  const failed = await commit(
    context,
    [pinBucket(bucket)],
    [put(bucketKey(bucket.name), encodeBucketRecord(record))],
  );
  return failed === undefined ? await context.buckets.fresh(bucket.name) : undefined;
}

async function refuseUnlessEmpty(context: StoreContext, bucket: KnownBucket): Promise<void> {
  // Delete markers and older versions count as objects do.
  for (const space of [KEY_SPACE.object, KEY_SPACE.objectVersion, KEY_SPACE.deleteMarker]) {
    const range = spaceRange(space, bucket.record.bucketId);
    const { entries } = await context.kv.scan({ ...range, limit: 1, values: false });
    if (entries.length === 0) continue;
    const versioned = bucket.record.settings.has('versioning');
    const more = versioned ? '. You must delete all versions in the bucket.' : '';
    throw new ObjectStoreError(
      'BucketNotEmpty',
      `The bucket you tried to delete is not empty${more}`,
      { bucket: bucket.name },
    );
  }
}

export async function listBuckets(
  context: StoreContext,
  options: ListBucketsOptions,
): Promise<ListBucketsPage> {
  const range = spaceRange(KEY_SPACE.bucket, utf8(options.prefix ?? ''));
  const after = options.after === undefined ? range.from : keyAfter(bucketKey(options.after));
  const from = compareBytes(after, range.from) > 0 ? after : range.from;
  if (compareBytes(from, range.to) >= 0) return { buckets: [], more: false };
  const { limit, ownerId } = options;
  const buckets: Bucket[] = [];
  for await (const { key, version, value } of entriesOf(context.kv, { ...range, from })) {
    const bucket = bucketOf(fromUtf8(key.subarray(1)), version, decodeBucketRecord(value));
    if (ownerId !== undefined && bucket.ownerId !== ownerId) continue;
    if (buckets.length === limit) return { buckets, more: true };
    buckets.push(bucket);
  }
  return { buckets, more: false };
}
