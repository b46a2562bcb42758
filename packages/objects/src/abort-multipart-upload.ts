import { ObjectStoreError } from './errors.ts';
import type { UploadAddress } from './object-store.ts';
import { releaseGroup } from './release.ts';
import { commit, remove, type StoreContext, unchanged } from './store-context.ts';
import { findUpload } from './uploads.ts';

/** Ends an upload; its parts are swept. A part on its way fails with NoSuchUpload. */
export async function abortMultipartUpload(
  context: StoreContext,
  address: UploadAddress,
): Promise<void> {
  for (let attempt = 0; attempt < context.limits.commitAttempts; attempt++) {
    const { uploadId, kvKey, version } = await findUpload(context, address);
    const release = releaseGroup(uploadId, context.env.clock.nowMs());
    const failed = await commit(
      context,
      [unchanged(kvKey, version)],
      [remove(kvKey), ...release.operations],
    );
    if (failed !== undefined) continue;
    context.sweeper.push(release.tasks);
    return;
  }
  throw new ObjectStoreError(
    'OperationAborted',
    'A conflicting operation is in progress on this upload. Please try again.',
    { uploadId: address.uploadId },
  );
}
