import { matchesPattern } from './pattern.ts';
import type { Statement } from './policy.ts';
import { PolicyError } from './policy-error.ts';

/**
 * The actions of S3, in lower case: those of buckets and objects, and of what belongs to an account.
 *
 * Source: Service Authorization Reference, "Actions defined by Amazon S3".
 */
const ACTIONS: readonly string[] = [
  'AbortMultipartUpload',
  'AllowVendedLogDeliveryForResource',
  'AssociateAccessGrantsIdentityCenter',
  'BypassGovernanceRetention',
  'CreateAccessGrant',
  'CreateAccessGrantsInstance',
  'CreateAccessGrantsLocation',
  'CreateAccessPoint',
  'CreateAccessPointForObjectLambda',
  'CreateBucket',
  'CreateBucketMetadataTableConfiguration',
  'CreateJob',
  'CreateMultiRegionAccessPoint',
  'CreateStorageLensGroup',
  'DeleteAccessGrant',
  'DeleteAccessGrantsInstance',
  'DeleteAccessGrantsInstanceResourcePolicy',
  'DeleteAccessGrantsLocation',
  'DeleteAccessPoint',
  'DeleteAccessPointForObjectLambda',
  'DeleteAccessPointPolicy',
  'DeleteAccessPointPolicyForObjectLambda',
  'DeleteBucket',
  'DeleteBucketMetadataTableConfiguration',
  'DeleteBucketPolicy',
  'DeleteBucketWebsite',
  'DeleteIntelligentTieringConfiguration',
  'DeleteJobTagging',
  'DeleteMultiRegionAccessPoint',
  'DeleteObject',
  'DeleteObjectAnnotation',
  'DeleteObjectTagging',
  'DeleteObjectVersion',
  'DeleteObjectVersionAnnotation',
  'DeleteObjectVersionTagging',
  'DeleteStorageLensConfiguration',
  'DeleteStorageLensConfigurationTagging',
  'DeleteStorageLensGroup',
  'DescribeJob',
  'DescribeMultiRegionAccessPointOperation',
  'DissociateAccessGrantsIdentityCenter',
  'GetAccelerateConfiguration',
  'GetAccessGrant',
  'GetAccessGrantsInstance',
  'GetAccessGrantsInstanceForPrefix',
  'GetAccessGrantsInstanceResourcePolicy',
  'GetAccessGrantsLocation',
  'GetAccessPoint',
  'GetAccessPointConfigurationForObjectLambda',
  'GetAccessPointForObjectLambda',
  'GetAccessPointPolicy',
  'GetAccessPointPolicyForObjectLambda',
  'GetAccessPointPolicyStatus',
  'GetAccessPointPolicyStatusForObjectLambda',
  'GetAccountPublicAccessBlock',
  'GetAnalyticsConfiguration',
  'GetBucketAbac',
  'GetBucketAcl',
  'GetBucketCORS',
  'GetBucketLocation',
  'GetBucketLogging',
  'GetBucketMetadataTableConfiguration',
  'GetBucketNotification',
  'GetBucketObjectLockConfiguration',
  'GetBucketOwnershipControls',
  'GetBucketPolicy',
  'GetBucketPolicyStatus',
  'GetBucketPublicAccessBlock',
  'GetBucketRequestPayment',
  'GetBucketTagging',
  'GetBucketVersioning',
  'GetBucketWebsite',
  'GetDataAccess',
  'GetEncryptionConfiguration',
  'GetIntelligentTieringConfiguration',
  'GetInventoryConfiguration',
  'GetJobTagging',
  'GetLifecycleConfiguration',
  'GetMetricsConfiguration',
  'GetMultiRegionAccessPoint',
  'GetMultiRegionAccessPointPolicy',
  'GetMultiRegionAccessPointPolicyStatus',
  'GetMultiRegionAccessPointRoutes',
  'GetObject',
  'GetObjectAcl',
  'GetObjectAnnotation',
  'GetObjectAttributes',
  'GetObjectLegalHold',
  'GetObjectRetention',
  'GetObjectTagging',
  'GetObjectTorrent',
  'GetObjectVersion',
  'GetObjectVersionAcl',
  'GetObjectVersionAnnotation',
  'GetObjectVersionAnnotationForReplication',
  'GetObjectVersionAttributes',
  'GetObjectVersionForReplication',
  'GetObjectVersionTagging',
  'GetObjectVersionTorrent',
  'GetReplicationConfiguration',
  'GetStorageLensConfiguration',
  'GetStorageLensConfigurationTagging',
  'GetStorageLensDashboard',
  'GetStorageLensGroup',
  'InitiateReplication',
  'ListAccessGrants',
  'ListAccessGrantsInstances',
  'ListAccessGrantsLocations',
  'ListAccessPoints',
  'ListAccessPointsForObjectLambda',
  'ListAllMyBuckets',
  'ListBucket',
  'ListBucketMultipartUploads',
  'ListBucketVersions',
  'ListCallerAccessGrants',
  'ListJobs',
  'ListMultiRegionAccessPoints',
  'ListMultipartUploadParts',
  'ListObjectAnnotations',
  'ListObjectVersionAnnotations',
  'ListStorageLensConfigurations',
  'ListStorageLensGroups',
  'ListTagsForResource',
  'ObjectOwnerOverrideToBucketOwner',
  'PauseReplication',
  'PutAccelerateConfiguration',
  'PutAccessGrantsInstanceResourcePolicy',
  'PutAccessPointConfigurationForObjectLambda',
  'PutAccessPointPolicy',
  'PutAccessPointPolicyForObjectLambda',
  'PutAccessPointPublicAccessBlock',
  'PutAccountPublicAccessBlock',
  'PutAnalyticsConfiguration',
  'PutBucketAbac',
  'PutBucketAcl',
  'PutBucketCORS',
  'PutBucketLogging',
  'PutBucketNotification',
  'PutBucketObjectLockConfiguration',
  'PutBucketOwnershipControls',
  'PutBucketPolicy',
  'PutBucketPublicAccessBlock',
  'PutBucketRequestPayment',
  'PutBucketTagging',
  'PutBucketVersioning',
  'PutBucketWebsite',
  'PutEncryptionConfiguration',
  'PutIntelligentTieringConfiguration',
  'PutInventoryConfiguration',
  'PutJobTagging',
  'PutLifecycleConfiguration',
  'PutMetricsConfiguration',
  'PutMultiRegionAccessPointPolicy',
  'PutObject',
  'PutObjectAcl',
  'PutObjectAnnotation',
  'PutObjectLegalHold',
  'PutObjectRetention',
  'PutObjectTagging',
  'PutObjectVersionAcl',
  'PutObjectVersionAnnotation',
  'PutObjectVersionTagging',
  'PutReplicationConfiguration',
  'PutStorageLensConfiguration',
  'PutStorageLensConfigurationTagging',
  'ReplicateDelete',
  'ReplicateObject',
  'ReplicateObjectAnnotation',
  'ReplicateTags',
  'RestoreObject',
  'SubmitMultiRegionAccessPointRoutes',
  'TagResource',
  'UntagResource',
  'UpdateAccessGrantsLocation',
  'UpdateBucketMetadataAnnotationTableConfiguration',
  'UpdateBucketMetadataInventoryTableConfiguration',
  'UpdateBucketMetadataJournalTableConfiguration',
  'UpdateJobPriority',
  'UpdateJobStatus',
  'UpdateObjectEncryption',
  'UpdateStorageLensGroup',
].map((name) => `s3:${name.toLowerCase()}`);

/** Actions on objects; those on buckets and on accounts are the others. */
const OF_OBJECTS =
  /^s3:((delete|get|put|update|restore)object|abortmultipartupload|bypassgovernance|initiatereplication|list(multipartuploadparts|object)|objectowneroverride|replicate)/;

/**
 * Why refused, and not taken as an action that nobody asks for: a denial of it would deny nothing.
 *
 * @throws PolicyError for an action of S3 that there is not, and a pattern of actions that fits none
 */
export function checkActions({ actions }: Statement): void {
  for (const pattern of actions.items) {
    if (pattern === '*' || ACTIONS.some((action) => matchesPattern(pattern, action))) continue;
    throw new PolicyError('Policy has invalid action');
  }
}

/**
 * Why refused: `s3:GetObject` of a bucket, or `s3:ListBucket` of objects, would allow nothing and deny nothing.
 *
 * @throws PolicyError for an action that none of the statement's resources is of the kind of
 */
export function checkKinds({ actions, resources }: Statement): void {
  if (actions.not || resources.not) return;
  // No bucket has a slash in its name, and a wildcard or a variable may stand for one.
  const ofBucket = resources.items.some((resource) => /^[^/]*$|\$\{/.test(resource));
  const ofObjects = resources.items.some((resource) => /[/*?]|\$\{/.test(resource));
  for (const pattern of actions.items) {
    const fits =
      pattern === '*' ||
      ACTIONS.some(
        (action) =>
          (OF_OBJECTS.test(action) ? ofObjects : ofBucket) && matchesPattern(pattern, action),
      );
    if (!fits) throw new PolicyError('Action does not apply to any resource(s) in statement');
  }
}
