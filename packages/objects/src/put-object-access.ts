import { pinBucket, unmarkBucket } from './buckets.ts';
import { ObjectStoreError } from './errors.ts';
import { objectKvKey } from './keys.ts';
import { encodeObjectRecord } from './object-record.ts';
import type { ObjectAccess, ObjectAddress } from './object-store.ts';
import { commit, put, readObject, type StoreContext, unchanged } from './store-context.ts';

/** Replaces owner and ACL of an object: its bytes, ETag and time stay. NoSuchKey where there is none. */
export async function putObjectAccess(
  context: StoreContext,
  { bucket: name, key }: ObjectAddress,
  access: ObjectAccess,
): Promise<void> {
  for (let attempt = 0; attempt < context.limits.commitAttempts; attempt++) {
    const bucket = await context.buckets.fresh(name);
    const { bucketId } = bucket.record;
    const current = await readObject(context.kv, bucketId, key);
    if (current === undefined) {
      throw new ObjectStoreError('NoSuchKey', 'The specified key does not exist.', { key });
    }
    const { ownerId: _owner, acl: _acl, ...described } = current.record.metadata;
    const record = { ...current.record, metadata: { ...described, ...access } };
    const kvKey = objectKvKey(bucketId, key);
    const failed = await commit(
      context,
      [pinBucket(bucket), unchanged(kvKey, current.version)],
      [put(kvKey, encodeObjectRecord(record)), ...unmarkBucket(bucket)],
    );
    if (failed !== undefined || bucket.record.deleting) context.buckets.forget(name);
    if (failed === undefined) return;
  }
  throw new ObjectStoreError(
    'ConditionalRequestConflict',
    'A conflicting operation occurred during this request. Try again.',
    { key },
  );
}
