import { PolicyError } from './parse-policy.ts';
import type { Policy } from './policy.ts';

/**
 * The condition keys of S3, in lower case. Keys of other prefixes are of whoever asks, and any may be missing.
 *
 * Source: Service Authorization Reference, "Condition keys for Amazon S3".
 */
const S3_KEYS: ReadonlySet<string> = new Set(
  [
    'AccessGrantsInstanceArn',
    'AccessPointNetworkOrigin',
    'DataAccessPointAccount',
    'DataAccessPointArn',
    'DestinationRegion',
    'ExistingJobOperation',
    'ExistingJobPriority',
    'InventoryAccessibleOptionalFields',
    'JobSuspendedCause',
    'LocationConstraint',
    'ObjectCreationOperation',
    'RequestJobOperation',
    'RequestJobPriority',
    'RequestObjectTagKeys',
    'ResourceAccount',
    'TlsVersion',
    'VersionId',
    'authType',
    'delimiter',
    'if-match',
    'if-none-match',
    'isReplicationPauseRequest',
    'max-keys',
    'prefix',
    'signatureAge',
    'signatureversion',
  ].map((name) => `s3:${name.toLowerCase()}`),
);

/** Families of keys: headers, tags by name, object lock. */
const S3_FAMILIES =
  /^s3:(x-amz-|object-lock-|(existingobject|requestobject|bucket|accesspoint)tag\/).+$/;

/**
 * Why refused, and not taken as a key that no request has: a denial with it would deny nothing.
 *
 * @throws PolicyError for a condition key of S3 that there is not
 */
export function checkConditionKeys({ statements }: Policy): void {
  for (const { key } of statements.flatMap(({ conditions }) => conditions)) {
    const name = key.toLowerCase();
    if (!name.startsWith('s3:') || S3_KEYS.has(name) || S3_FAMILIES.test(name)) continue;
    throw new PolicyError('Policy has an invalid condition key');
  }
}
