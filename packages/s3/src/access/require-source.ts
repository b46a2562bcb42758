import type { VersionAddress } from '@holdfast/objects';
import type { S3Call } from '../s3-call.ts';
import { requiredAction } from './action-table.ts';
import { checkExpectedOwner, openBucket, requireAccess } from './authorize.ts';

/**
 * A copy reads its source: who asks must be allowed to.
 *
 * @throws S3Error AccessDenied; ObjectStoreError NoSuchBucket
 */
export async function requireSource(call: S3Call, source: VersionAddress): Promise<void> {
  const open = await openBucket(call, source.bucket);
  checkExpectedOwner(call, 'x-amz-source-expected-bucket-owner', open.bucket);
  await requireAccess(call, {
    ...open,
    required: requiredAction('GetObject'),
    key: source.key,
    versionId: source.versionId,
  });
}
