import type { Permission } from './acl.ts';

/** What an operation must be allowed to do. */
export interface RequiredAction {
  readonly action: string;
  /** The action where the request names a version. */
  readonly versionAction?: string;
  /** Which ACL may allow it instead of a policy, and by which permission. */
  readonly grant?: { readonly on: 'bucket' | 'object'; readonly permission: Permission };
  /** No ACL allows `versionAction`. Default false. */
  readonly noVersionGrant?: boolean;
  /** From another account it is enough that the bucket's policy does not deny it. Default false. */
  readonly enoughNotDenied?: boolean;
  /** What must be allowed besides. */
  readonly also?: RequiredAction;
}

const READ_BUCKET = { on: 'bucket', permission: 'READ' } as const;
const WRITE_BUCKET = { on: 'bucket', permission: 'WRITE' } as const;
const READ_OBJECT = { on: 'object', permission: 'READ' } as const;

const PUT_OBJECT: RequiredAction = { action: 's3:PutObject', grant: WRITE_BUCKET };
const GET_OBJECT: RequiredAction = {
  action: 's3:GetObject',
  versionAction: 's3:GetObjectVersion',
  grant: READ_OBJECT,
};
const LIST_BUCKET: RequiredAction = { action: 's3:ListBucket', grant: READ_BUCKET };

/**
 * Operations whose action has another name than they have, or that an ACL can allow. An operation that is not here
 * needs the action of its own name, by policy or as the owner.
 *
 * Source: Service Authorization Reference, "Actions, resources, and condition keys for Amazon S3"; Amazon S3 User
 * Guide, "Mapping of ACL permissions and access policy permissions".
 */
const ACTIONS: ReadonlyMap<string, RequiredAction> = new Map<string, RequiredAction>([
  ['ListObjects', LIST_BUCKET],
  ['HeadBucket', LIST_BUCKET],
  ['ListObjectVersions', { action: 's3:ListBucketVersions', grant: READ_BUCKET }],
  ['ListMultipartUploads', { action: 's3:ListBucketMultipartUploads', grant: READ_BUCKET }],
  ['GetBucketAcl', { action: 's3:GetBucketAcl', grant: { on: 'bucket', permission: 'READ_ACP' } }],
  ['PutBucketAcl', { action: 's3:PutBucketAcl', grant: { on: 'bucket', permission: 'WRITE_ACP' } }],
  ...renamed('BucketCors', 's3:GetBucketCORS', 's3:PutBucketCORS'),
  ...renamed(
    'BucketLifecycleConfiguration',
    's3:GetLifecycleConfiguration',
    's3:PutLifecycleConfiguration',
  ),
  ...renamed('BucketEncryption', 's3:GetEncryptionConfiguration', 's3:PutEncryptionConfiguration'),
  ...renamed(
    'BucketReplication',
    's3:GetReplicationConfiguration',
    's3:PutReplicationConfiguration',
  ),
  ...renamed(
    'BucketAccelerateConfiguration',
    's3:GetAccelerateConfiguration',
    's3:PutAccelerateConfiguration',
  ),
  ...renamed(
    'BucketNotificationConfiguration',
    's3:GetBucketNotification',
    's3:PutBucketNotification',
  ),
  ...renamed(
    'ObjectLockConfiguration',
    's3:GetBucketObjectLockConfiguration',
    's3:PutBucketObjectLockConfiguration',
  ),
  ...renamed('PublicAccessBlock', 's3:GetBucketPublicAccessBlock', 's3:PutBucketPublicAccessBlock'),
  ...renamed(
    'BucketOwnershipControls',
    's3:GetBucketOwnershipControls',
    's3:PutBucketOwnershipControls',
  ),
  ...renamed('BucketTagging', 's3:GetBucketTagging', 's3:PutBucketTagging'),
  ['GetObject', GET_OBJECT],
  ['HeadObject', GET_OBJECT],
  [
    'GetObjectAttributes',
    {
      ...GET_OBJECT,
      also: {
        action: 's3:GetObjectAttributes',
        versionAction: 's3:GetObjectVersionAttributes',
        grant: READ_OBJECT,
      },
    },
  ],
  [
    'GetObjectAcl',
    {
      action: 's3:GetObjectAcl',
      versionAction: 's3:GetObjectVersionAcl',
      grant: { on: 'object', permission: 'READ_ACP' },
    },
  ],
  [
    'PutObjectAcl',
    {
      action: 's3:PutObjectAcl',
      versionAction: 's3:PutObjectVersionAcl',
      grant: { on: 'object', permission: 'WRITE_ACP' },
    },
  ],
  [
    'GetObjectTagging',
    { action: 's3:GetObjectTagging', versionAction: 's3:GetObjectVersionTagging' },
  ],
  [
    'PutObjectTagging',
    { action: 's3:PutObjectTagging', versionAction: 's3:PutObjectVersionTagging' },
  ],
  [
    'DeleteObjectTagging',
    { action: 's3:DeleteObjectTagging', versionAction: 's3:DeleteObjectVersionTagging' },
  ],
  ['PutObject', PUT_OBJECT],
  ['CopyObject', PUT_OBJECT],
  ['RenameObject', PUT_OBJECT],
  ['CreateMultipartUpload', PUT_OBJECT],
  ['UploadPart', PUT_OBJECT],
  ['UploadPartCopy', PUT_OBJECT],
  ['CompleteMultipartUpload', PUT_OBJECT],
  ['ListParts', { action: 's3:ListMultipartUploadParts' }],
  [
    'DeleteObject',
    {
      action: 's3:DeleteObject',
      versionAction: 's3:DeleteObjectVersion',
      grant: WRITE_BUCKET,
      // Source: Amazon S3 User Guide, as above: WRITE is that too only of the bucket's owner, who may do it anyway.
      noVersionGrant: true,
    },
  ],
]);

/** What an operation must be allowed to do, by S3's name of the operation. */
export function requiredAction(operation: string): RequiredAction {
  return ACTIONS.get(operation) ?? { action: `s3:${operation}` };
}

/** Deleting a configuration is putting an empty one. */
function renamed(noun: string, get: string, put: string): [string, RequiredAction][] {
  return [
    [`Get${noun}`, { action: get }],
    [`Put${noun}`, { action: put }],
    [`Delete${noun}`, { action: put }],
  ];
}
