import { abortMultipartUpload } from './operations/abort-multipart-upload.ts';
import { completeMultipartUpload } from './operations/complete-multipart-upload.ts';
import { copyObject } from './operations/copy-object.ts';
import { createBucket } from './operations/create-bucket.ts';
import { createMultipartUpload } from './operations/create-multipart-upload.ts';
import { deleteBucket } from './operations/delete-bucket.ts';
import { deleteBucketCors } from './operations/delete-bucket-cors.ts';
import { deleteBucketEncryption } from './operations/delete-bucket-encryption.ts';
import { deleteBucketLifecycleConfiguration } from './operations/delete-bucket-lifecycle-configuration.ts';
import { deleteBucketOwnershipControls } from './operations/delete-bucket-ownership-controls.ts';
import { deleteBucketPolicy } from './operations/delete-bucket-policy.ts';
import { deleteBucketTagging } from './operations/delete-bucket-tagging.ts';
import { deleteBucketWebsite } from './operations/delete-bucket-website.ts';
import { deleteObject } from './operations/delete-object.ts';
import { deleteObjectTagging } from './operations/delete-object-tagging.ts';
import { deleteObjects } from './operations/delete-objects.ts';
import { deletePublicAccessBlock } from './operations/delete-public-access-block.ts';
import { getBucketAccelerateConfiguration } from './operations/get-bucket-accelerate-configuration.ts';
import { getBucketAcl } from './operations/get-bucket-acl.ts';
import { getBucketCors } from './operations/get-bucket-cors.ts';
import { getBucketEncryption } from './operations/get-bucket-encryption.ts';
import { getBucketLifecycleConfiguration } from './operations/get-bucket-lifecycle-configuration.ts';
import { getBucketLocation } from './operations/get-bucket-location.ts';
import { getBucketLogging } from './operations/get-bucket-logging.ts';
import { getBucketNotificationConfiguration } from './operations/get-bucket-notification-configuration.ts';
import { getBucketOwnershipControls } from './operations/get-bucket-ownership-controls.ts';
import { getBucketPolicy } from './operations/get-bucket-policy.ts';
import { getBucketPolicyStatus } from './operations/get-bucket-policy-status.ts';
import { getBucketReplication } from './operations/get-bucket-replication.ts';
import { getBucketRequestPayment } from './operations/get-bucket-request-payment.ts';
import { getBucketTagging } from './operations/get-bucket-tagging.ts';
import { getBucketVersioning } from './operations/get-bucket-versioning.ts';
import { getBucketWebsite } from './operations/get-bucket-website.ts';
import { getObject } from './operations/get-object.ts';
import { getObjectAcl } from './operations/get-object-acl.ts';
import { getObjectAttributes } from './operations/get-object-attributes.ts';
import { getObjectLegalHold } from './operations/get-object-legal-hold.ts';
import { getObjectLockConfiguration } from './operations/get-object-lock-configuration.ts';
import { getObjectRetention } from './operations/get-object-retention.ts';
import { getObjectTagging } from './operations/get-object-tagging.ts';
import { getPublicAccessBlock } from './operations/get-public-access-block.ts';
import { headBucket } from './operations/head-bucket.ts';
import { headObject } from './operations/head-object.ts';
import { listBuckets } from './operations/list-buckets.ts';
import { listMultipartUploads } from './operations/list-multipart-uploads.ts';
import { listObjectVersions } from './operations/list-object-versions.ts';
import { listObjects } from './operations/list-objects.ts';
import { listParts } from './operations/list-parts.ts';
import { postObject } from './operations/post-object.ts';
import { preflight } from './operations/preflight.ts';
import { putBucketAcl } from './operations/put-bucket-acl.ts';
import { putBucketCors } from './operations/put-bucket-cors.ts';
import { putBucketEncryption } from './operations/put-bucket-encryption.ts';
import { putBucketLifecycleConfiguration } from './operations/put-bucket-lifecycle-configuration.ts';
import { putBucketNotificationConfiguration } from './operations/put-bucket-notification-configuration.ts';
import { putBucketOwnershipControls } from './operations/put-bucket-ownership-controls.ts';
import { putBucketPolicy } from './operations/put-bucket-policy.ts';
import { putBucketTagging } from './operations/put-bucket-tagging.ts';
import { putBucketVersioning } from './operations/put-bucket-versioning.ts';
import { putBucketWebsite } from './operations/put-bucket-website.ts';
import { putObject } from './operations/put-object.ts';
import { putObjectAcl } from './operations/put-object-acl.ts';
import { putObjectLegalHold } from './operations/put-object-legal-hold.ts';
import { putObjectLockConfiguration } from './operations/put-object-lock-configuration.ts';
import { putObjectRetention } from './operations/put-object-retention.ts';
import { putObjectTagging } from './operations/put-object-tagging.ts';
import { putPublicAccessBlock } from './operations/put-public-access-block.ts';
import { renameObject } from './operations/rename-object.ts';
import { transactObjects } from './operations/transact-objects.ts';
import { uploadPart } from './operations/upload-part.ts';
import { uploadPartCopy } from './operations/upload-part-copy.ts';
import type { Operation } from './s3-call.ts';

/** What the API knows to be an operation; without `run` it is refused by its name. */
export interface OperationEntry {
  readonly name: string;
  readonly run?: Operation;
  /** The operation that it is with an `x-amz-copy-source` header. */
  readonly copy?: { readonly name: string; readonly run?: Operation };
}

/** `METHOD subresource` to operation; the subresource is empty for the bucket or object itself. */
type MethodTable = ReadonlyMap<string, OperationEntry>;

/** How the names of operations on a configuration begin. */
const VERBS: Readonly<Record<string, string>> = {
  GET: 'Get',
  PUT: 'Put',
  POST: 'Create',
  DELETE: 'Delete',
};

const SERVICE: MethodTable = table({ 'GET ': { name: 'ListBuckets', run: listBuckets } });

const BUCKET: MethodTable = table({
  'GET ': { name: 'ListObjects', run: listObjects },
  'PUT ': { name: 'CreateBucket', run: createBucket },
  'HEAD ': { name: 'HeadBucket', run: headBucket },
  'DELETE ': { name: 'DeleteBucket', run: deleteBucket },
  'POST ': { name: 'PostObject', run: postObject },
  'OPTIONS ': { name: 'Preflight', run: preflight },
  'POST delete': { name: 'DeleteObjects', run: deleteObjects },
  'POST transaction': { name: 'TransactObjects', run: transactObjects },
  'GET location': { name: 'GetBucketLocation', run: getBucketLocation },
  'GET versioning': { name: 'GetBucketVersioning', run: getBucketVersioning },
  'PUT versioning': { name: 'PutBucketVersioning', run: putBucketVersioning },
  'GET uploads': { name: 'ListMultipartUploads', run: listMultipartUploads },
  'GET versions': { name: 'ListObjectVersions', run: listObjectVersions },
  'GET session': { name: 'CreateSession' },
  'GET policyStatus': { name: 'GetBucketPolicyStatus', run: getBucketPolicyStatus },
  ...configuration('abac', 'BucketAbac', ['GET', 'PUT']),
  ...configuration('accelerate', 'BucketAccelerateConfiguration', ['PUT']),
  'GET accelerate': {
    name: 'GetBucketAccelerateConfiguration',
    run: getBucketAccelerateConfiguration,
  },
  'GET acl': { name: 'GetBucketAcl', run: getBucketAcl },
  'PUT acl': { name: 'PutBucketAcl', run: putBucketAcl },
  ...configuration('analytics', 'BucketAnalyticsConfiguration'),
  'GET cors': { name: 'GetBucketCors', run: getBucketCors },
  'PUT cors': { name: 'PutBucketCors', run: putBucketCors },
  'DELETE cors': { name: 'DeleteBucketCors', run: deleteBucketCors },
  'GET encryption': { name: 'GetBucketEncryption', run: getBucketEncryption },
  'PUT encryption': { name: 'PutBucketEncryption', run: putBucketEncryption },
  'DELETE encryption': { name: 'DeleteBucketEncryption', run: deleteBucketEncryption },
  ...configuration('intelligent-tiering', 'BucketIntelligentTieringConfiguration'),
  ...configuration('inventory', 'BucketInventoryConfiguration'),
  'GET lifecycle': {
    name: 'GetBucketLifecycleConfiguration',
    run: getBucketLifecycleConfiguration,
  },
  'PUT lifecycle': {
    name: 'PutBucketLifecycleConfiguration',
    run: putBucketLifecycleConfiguration,
  },
  'DELETE lifecycle': {
    name: 'DeleteBucketLifecycleConfiguration',
    run: deleteBucketLifecycleConfiguration,
  },
  ...configuration('logging', 'BucketLogging', ['PUT']),
  'GET logging': { name: 'GetBucketLogging', run: getBucketLogging },
  ...configuration('metadataConfiguration', 'BucketMetadataConfiguration', [
    'GET',
    'POST',
    'DELETE',
  ]),
  'PUT metadataAnnotationTable': { name: 'UpdateBucketMetadataAnnotationTableConfiguration' },
  'PUT metadataInventoryTable': { name: 'UpdateBucketMetadataInventoryTableConfiguration' },
  'PUT metadataJournalTable': { name: 'UpdateBucketMetadataJournalTableConfiguration' },
  ...configuration('metadataTable', 'BucketMetadataTableConfiguration', ['GET', 'POST', 'DELETE']),
  ...configuration('metrics', 'BucketMetricsConfiguration'),
  'PUT notification': {
    name: 'PutBucketNotificationConfiguration',
    run: putBucketNotificationConfiguration,
  },
  'GET notification': {
    name: 'GetBucketNotificationConfiguration',
    run: getBucketNotificationConfiguration,
  },
  'GET object-lock': { name: 'GetObjectLockConfiguration', run: getObjectLockConfiguration },
  'PUT object-lock': { name: 'PutObjectLockConfiguration', run: putObjectLockConfiguration },
  'GET ownershipControls': { name: 'GetBucketOwnershipControls', run: getBucketOwnershipControls },
  'PUT ownershipControls': { name: 'PutBucketOwnershipControls', run: putBucketOwnershipControls },
  'DELETE ownershipControls': {
    name: 'DeleteBucketOwnershipControls',
    run: deleteBucketOwnershipControls,
  },
  'GET policy': { name: 'GetBucketPolicy', run: getBucketPolicy },
  'PUT policy': { name: 'PutBucketPolicy', run: putBucketPolicy },
  'DELETE policy': { name: 'DeleteBucketPolicy', run: deleteBucketPolicy },
  'GET publicAccessBlock': { name: 'GetPublicAccessBlock', run: getPublicAccessBlock },
  'PUT publicAccessBlock': { name: 'PutPublicAccessBlock', run: putPublicAccessBlock },
  'DELETE publicAccessBlock': { name: 'DeletePublicAccessBlock', run: deletePublicAccessBlock },
  ...configuration('replication', 'BucketReplication', ['PUT', 'DELETE']),
  'GET replication': { name: 'GetBucketReplication', run: getBucketReplication },
  ...configuration('requestPayment', 'BucketRequestPayment', ['PUT']),
  'GET requestPayment': { name: 'GetBucketRequestPayment', run: getBucketRequestPayment },
  'GET website': { name: 'GetBucketWebsite', run: getBucketWebsite },
  'PUT website': { name: 'PutBucketWebsite', run: putBucketWebsite },
  'DELETE website': { name: 'DeleteBucketWebsite', run: deleteBucketWebsite },
  'GET tagging': { name: 'GetBucketTagging', run: getBucketTagging },
  'PUT tagging': { name: 'PutBucketTagging', run: putBucketTagging },
  'DELETE tagging': { name: 'DeleteBucketTagging', run: deleteBucketTagging },
});

const OBJECT: MethodTable = table({
  'GET ': { name: 'GetObject', run: getObject },
  'HEAD ': { name: 'HeadObject', run: headObject },
  'DELETE ': { name: 'DeleteObject', run: deleteObject },
  'OPTIONS ': { name: 'Preflight', run: preflight },
  'PUT ': { name: 'PutObject', run: putObject, copy: { name: 'CopyObject', run: copyObject } },
  'GET attributes': { name: 'GetObjectAttributes', run: getObjectAttributes },
  'POST uploads': { name: 'CreateMultipartUpload', run: createMultipartUpload },
  'POST uploadId': { name: 'CompleteMultipartUpload', run: completeMultipartUpload },
  'DELETE uploadId': { name: 'AbortMultipartUpload', run: abortMultipartUpload },
  'GET uploadId': { name: 'ListParts', run: listParts },
  'PUT uploadId': {
    name: 'UploadPart',
    run: uploadPart,
    copy: { name: 'UploadPartCopy', run: uploadPartCopy },
  },
  'GET torrent': { name: 'GetObjectTorrent' },
  'POST restore': { name: 'RestoreObject' },
  'POST select': { name: 'SelectObjectContent' },
  'PUT renameObject': { name: 'RenameObject', run: renameObject },
  'GET acl': { name: 'GetObjectAcl', run: getObjectAcl },
  'PUT acl': { name: 'PutObjectAcl', run: putObjectAcl },
  ...configuration('annotation', 'ObjectAnnotation'),
  'PUT encryption': { name: 'UpdateObjectEncryption' },
  'GET legal-hold': { name: 'GetObjectLegalHold', run: getObjectLegalHold },
  'PUT legal-hold': { name: 'PutObjectLegalHold', run: putObjectLegalHold },
  'GET retention': { name: 'GetObjectRetention', run: getObjectRetention },
  'PUT retention': { name: 'PutObjectRetention', run: putObjectRetention },
  'GET tagging': { name: 'GetObjectTagging', run: getObjectTagging },
  'PUT tagging': { name: 'PutObjectTagging', run: putObjectTagging },
  'DELETE tagging': { name: 'DeleteObjectTagging', run: deleteObjectTagging },
});

/** Every operation that is decided by level, method and subresource. */
export const OPERATIONS: Readonly<Record<'service' | 'bucket' | 'object', MethodTable>> = {
  service: SERVICE,
  bucket: BUCKET,
  object: OBJECT,
};

/** The operations on a configuration that this store does not have. */
function configuration(
  subresource: string,
  noun: string,
  methods: readonly string[] = ['GET', 'PUT', 'DELETE'],
): Record<string, OperationEntry> {
  return Object.fromEntries(
    methods.map((method) => [`${method} ${subresource}`, { name: `${VERBS[method]}${noun}` }]),
  );
}

function table(entries: Readonly<Record<string, OperationEntry>>): MethodTable {
  return new Map(Object.entries(entries));
}
