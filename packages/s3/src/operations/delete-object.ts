import { ObjectStoreError } from '@holdfast/objects';
import { sendEmpty } from '../answer.ts';
import { parseETags } from '../conditional-headers.ts';
import { parseHttpDate } from '../http-date.ts';
import { versionHeaders } from '../object-metadata.ts';
import { readVersionAddress } from '../open-object.ts';
import { checkBypass, mayBypass } from '../retention.ts';
import type { S3Call } from '../s3-call.ts';
import { invalidArgument } from '../s3-error.ts';

/** Source: AWS API reference, "DeleteObject". */
export async function deleteObject(call: S3Call): Promise<void> {
  const { headers } = call;
  checkBypass(call);
  const match = headers.get('if-match');
  const size = headers.get('x-amz-if-match-size');
  const modified = headers.get('x-amz-if-match-last-modified-time');
  const modifiedMs = parseHttpDate(modified);
  const conditional = match !== undefined || size !== undefined || modifiedMs !== undefined;
  // Why not ignored like the dates of a read: without its condition the object would be deleted.
  if (modified !== undefined && modifiedMs === undefined) {
    throw invalidArgument(
      'The time to match must be a date',
      'x-amz-if-match-last-modified-time',
      modified,
    );
  }
  if (size !== undefined && !/^\d{1,15}$/.test(size)) {
    throw invalidArgument('The size to match must be a number', 'x-amz-if-match-size', size);
  }
  const deleting = call.store.deleteObject({
    ...readVersionAddress(call),
    bucketVersion: call.judgedVersion,
    bypassGovernance: await mayBypass(call, call.key, call.parameter('versionId')),
    ...(conditional && {
      conditions: {
        ...(match !== undefined && { ifMatch: parseETags(match) }),
        ...(size !== undefined && { ifSizeBytes: Number(size) }),
        ...(modifiedMs !== undefined && { ifLastModifiedMs: modifiedMs }),
      },
    }),
  });
  const deleted = await deleting.catch((error: unknown) => {
    // To Ceph what is not there is deleted already, whatever ETag is asked for.
    const isGone = error instanceof ObjectStoreError && error.code === 'NoSuchKey';
    if (!isGone || !call.service.answersAsCeph) throw error;
    return { deleteMarker: undefined, versionId: undefined };
  });
  const answer = versionHeaders(deleted);
  if (deleted.deleteMarker === true) answer.push('x-amz-delete-marker', 'true');
  await sendEmpty(call, 204, answer);
}
