import type { VersionAddress } from '@holdfast/objects';
import type { S3Call } from '../s3-call.ts';
import { requiredAction } from './action-table.ts';
import {
  checkExpectedOwner,
  hasAccess,
  judgeSaid,
  type OpenBucket,
  openBucket,
  requireAccess,
} from './authorize.ts';
import { WRITE_TAGS } from './header-actions.ts';

/**
 * A copy reads its source: who asks must be allowed to. Resolves with the bucket of the source.
 *
 * @throws S3Error AccessDenied; ObjectStoreError NoSuchBucket
 */
export async function requireSource(call: S3Call, source: VersionAddress): Promise<OpenBucket> {
  const open = await openBucket(call, source.bucket);
  checkExpectedOwner(call, 'x-amz-source-expected-bucket-owner', open.bucket);
  await requireAccess(call, {
    ...open,
    required: requiredAction('GetObject'),
    key: source.key,
    versionId: source.versionId,
  });
  return open;
}

/**
 * What a copy to `key` of the request's bucket may do with the tags of its source, which is in `from`, beside the rest of it.
 * Policies are asked about them as about those that a request gives an object in a header.
 *
 * Source: AWS API reference, "CopyObject", "Permissions": who copies tags reads and writes them.
 */
export async function sourceTags(
  call: S3Call,
  from: OpenBucket,
  source: Pick<VersionAddress, 'key' | 'versionId'>,
  key: string,
): Promise<{ readonly mayCopyTags: (tagging: string) => boolean }> {
  const { versionId } = source;
  const read = { key: source.key, versionId, required: requiredAction('GetObjectTagging') };
  if (!(await hasAccess(call, { ...from, ...read }))) return { mayCopyTags: () => false };
  const judge = await judgeSaid(call, { ...call.openBucket, key, required: WRITE_TAGS });
  return { mayCopyTags: (tagging) => judge(new Map([['x-amz-tagging', tagging]])) };
}
