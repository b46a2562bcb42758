import type { Statement } from './policy.ts';
import { PolicyError } from './policy-error.ts';

/**
 * The condition keys of S3, in lower case.
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

/**
 * The condition keys of all services, in lower case. Of those that speak of what there is not here (networks, organisations,
 * sessions) no request has a value.
 *
 * Source: IAM user guide, "AWS global condition context keys".
 */
const GLOBAL_KEYS: ReadonlySet<string> = new Set(
  [
    'AssumedRoot',
    'CalledVia',
    'CalledViaFirst',
    'CalledViaLast',
    'ChatbotSourceArn',
    'CurrentTime',
    'Ec2InstanceSourcePrivateIPv4',
    'Ec2InstanceSourceVpc',
    'EpochTime',
    'FederatedProvider',
    'MultiFactorAuthAge',
    'MultiFactorAuthPresent',
    'PrincipalAccount',
    'PrincipalArn',
    'PrincipalIsAWSService',
    'PrincipalOrgID',
    'PrincipalOrgPaths',
    'PrincipalServiceName',
    'PrincipalServiceNamesList',
    'PrincipalType',
    'Referer',
    'RequestedRegion',
    'ResourceAccount',
    'ResourceOrgID',
    'ResourceOrgPaths',
    'SecureTransport',
    'SourceAccount',
    'SourceArn',
    'SourceIdentity',
    'SourceIp',
    'SourceOrgID',
    'SourceOrgPaths',
    'SourceOwner',
    'SourceVpc',
    'SourceVpcArn',
    'SourceVpce',
    'TagKeys',
    'TokenIssueTime',
    'UserAgent',
    'UserId',
    'UserName',
    'ViaAWSService',
    'VpcSourceIp',
    'VpceAccount',
    'VpceOrgID',
    'VpceOrgPaths',
  ].map((name) => `aws:${name.toLowerCase()}`),
);

/** Families of keys: headers, tags by name, object lock. */
const FAMILIES =
  /^(s3:(x-amz-|object-lock-|(existingobject|requestobject|bucket|accesspoint)tag\/)|aws:(principal|request|resource)tag\/).+$/;

/**
 * Why refused, and not taken as a key that no request has: a denial with it would deny nothing. Keys of other prefixes are
 * of those who tell who asks, and are none here.
 *
 * @throws PolicyError for a condition key of S3, or of all services, that there is not
 */
export function checkConditionKeys({ conditions }: Statement): void {
  for (const { key } of conditions) {
    const name = key.toLowerCase();
    if (!/^(s3|aws):/.test(name) || S3_KEYS.has(name) || GLOBAL_KEYS.has(name)) continue;
    if (FAMILIES.test(name)) continue;
    throw new PolicyError('Policy has an invalid condition key');
  }
}
