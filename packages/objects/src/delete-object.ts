import { equalBytes } from '@holdfast/bytes';
import { checkDeleteConditions } from './conditions.ts';
import { ObjectStoreError } from './errors.ts';
import { objectKvKey } from './keys.ts';
import { checkObjectKey } from './names.ts';
import { validatorsOf } from './object-record.ts';
import type { DeleteObjectRequest } from './object-store.ts';
import { releaseBody } from './release.ts';
import { commit, readObject, remove, type StoreContext, unchanged } from './store-context.ts';

/** Deletes an object. Where there is none, that is no error unless a condition says so. */
export async function deleteObject(
  context: StoreContext,
  request: DeleteObjectRequest,
): Promise<void> {
  checkObjectKey(request.key);
  await context.locks.run(`${request.bucket}/${request.key}`, async () => {
    for (let attempt = 0; attempt < context.limits.commitAttempts; attempt++) {
      if (await tryDelete(context, request)) return;
    }
    throw new ObjectStoreError(
      'ConditionalRequestConflict',
      'A conflicting operation occurred during this request. Try again.',
      { key: request.key },
    );
  });
}

/** Whether it is done; false where another write came first. */
async function tryDelete(context: StoreContext, request: DeleteObjectRequest): Promise<boolean> {
  const { bucketId } = (await context.buckets.known(request.bucket)).record;
  const current = await readObject(context.kv, bucketId, request.key);
  if (current === undefined) {
    const fresh = await context.buckets.fresh(request.bucket);
    if (!equalBytes(fresh.record.bucketId, bucketId)) return false;
    checkDeleteConditions(request.conditions, undefined, request.key);
    return true;
  }
  checkDeleteConditions(request.conditions, validatorsOf(current.record), request.key);
  const kvKey = objectKvKey(bucketId, request.key);
  const release = releaseBody(current.record.body, context.env.clock.nowMs());
  const failed = await commit(
    context,
    [unchanged(kvKey, current.version)],
    [remove(kvKey), ...release.operations],
  );
  if (failed !== undefined) return false;
  context.sweeper.push(release.tasks);
  return true;
}
