import type { DeleteObjectRequest, ObjectConditions } from '@holdfast/objects';
import { parseETags } from '../conditional-headers.ts';
import type { S3Call } from '../s3-call.ts';
import { type RequiredAction, requiredAction } from './action-table.ts';

/** Headers that say what the object must be like for which a write is. */
const HEADERS: ReadonlyMap<string, readonly string[]> = new Map([
  ['PutObject', ['if-match', 'if-none-match']],
  ['CopyObject', ['if-match', 'if-none-match']],
  ['CompleteMultipartUpload', ['if-match', 'if-none-match']],
  ['RenameObject', ['if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since']],
  ['DeleteObject', ['if-match', 'x-amz-if-match-size', 'x-amz-if-match-last-modified-time']],
]);

/**
 * What the conditions in the headers of a write need: who sets an ETag learns whether it is the object's. Whether there is
 * one at all, `*`, is no secret from who may write it.
 *
 * Source: Amazon S3 User Guide, "How to prevent object overwrites with conditional writes", "How to perform conditional
 * deletes".
 */
export function conditionActions(
  { headers }: Pick<S3Call, 'headers'>,
  operation: string,
): readonly RequiredAction[] {
  const asks = HEADERS.get(operation)?.some((name) => {
    const value = headers.get(name);
    return value !== undefined && parseETags(value) !== '*';
  });
  return asks === true ? [requiredAction('GetObject')] : [];
}

/** Whether conditions that stand in a body need the same. */
export function asksForState(
  conditions: ObjectConditions | DeleteObjectRequest['conditions'] | undefined,
): boolean {
  return Object.values(conditions ?? {}).some((wanted) => wanted !== undefined && wanted !== '*');
}
