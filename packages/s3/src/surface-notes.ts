/**
 * What the API does otherwise than AWS, operation by operation and name by name: what docs/s3-compatibility.md says besides
 * what the operation table, the tests and the SDK's own model say. Where there is no note, it is as on AWS, and a
 * test shows it.
 */

/** How far something is there. */
export type SurfaceState =
  /** As on AWS, but for what the difference says. */
  | 'yes'
  /** Something that AWS documents is missing. */
  | 'part'
  /** Taken, and nothing is done with it. */
  | 'ignored'
  /** An operation or a request header: 501 NotImplemented. In an answer: never sent. */
  | 'no';

export interface SurfaceNote {
  /** Default: `yes`; `no` for an operation that nothing is done for. */
  readonly state?: SurfaceState;
  /** In Markdown. */
  readonly difference?: string;
  /** Where it is used, of a name that the SDK's model does not have. */
  readonly operations?: string;
}

type Notes = Readonly<Record<string, SurfaceNote>>;

const SAME_DEFAULT = 'As on a bucket where nothing was set; to set it is refused';
const ANY = 'all';
const SIGNED = 'all that are signed';

/** By the operation's name. */
export const OPERATION_NOTES: Notes = {
  CompleteMultipartUpload: {
    difference:
      'White space keeps the connection alive after 5 s; an error then comes under status 200, as AWS documents. The time of the object is that of its completion; AWS has that of CreateMultipartUpload. `If-None-Match: *` asks whether an object is there now; AWS answers 409 also where one was deleted since the upload began',
  },
  CopyObject: {
    difference:
      'Tags that are taken from the source are `s3:RequestObjectTag/…` and `s3:RequestObjectTagKeys` for `s3:PutObjectTagging`, and not for `s3:PutObject`: AWS does not say how it asks about them',
  },
  CreateBucket: {
    state: 'part',
    difference:
      'Created again by its owner: 200 in us-east-1, and with `--recreate-buckets` anywhere, else 409; with another ACL always `409 BucketAlreadyExists`. The location constraint must be the configured region, also where that is us-east-1. No directory buckets',
  },
  CreateMultipartUpload: {
    state: 'part',
    difference:
      'An upload that names no checksum algorithm gets CRC64NVME of the whole object; checksums of other algorithms that parts come with are verified and not kept',
  },
  CreateSession: { difference: 'No directory buckets' },
  DeleteBucket: { difference: 'Open multipart uploads are aborted' },
  DeleteObject: {
    difference:
      'Conditions by ETag, size and time of last change, as AWS has them for directory buckets too',
  },
  GetBucketAccelerateConfiguration: { state: 'part', difference: SAME_DEFAULT },
  GetBucketAcl: { difference: 'Grants of groups are listed first' },
  GetBucketLogging: { state: 'part', difference: SAME_DEFAULT },
  GetBucketPolicyStatus: {
    difference: 'Counts the ACL too',
  },
  GetBucketReplication: { state: 'part', difference: SAME_DEFAULT },
  GetBucketRequestPayment: { state: 'part', difference: SAME_DEFAULT },
  GetObject: {
    difference: 'Of a plain object part 1 is all of it. Of several ranges none is used, as on AWS',
  },
  GetObjectTagging: { difference: 'Tags are in the order of their names' },
  GetPublicAccessBlock: { difference: 'New buckets have none' },
  GetBucketWebsite: {
    difference: 'The website is at `bucket.<--website-domain>`, for GET and HEAD',
  },
  ListBuckets: { state: 'part', difference: 'There is one region' },
  ListDirectoryBuckets: { difference: 'No directory buckets' },
  ListObjectVersions: { difference: 'No `NextVersionIdMarker` after a common prefix' },
  PostObject: {
    difference:
      'Version 4 and 2. Fields before the file may have 20 KiB together; what follows the file is ignored',
  },
  PutBucketAcl: {
    difference:
      'New buckets are BucketOwnerEnforced as on AWS; `--bucket-acls` makes them with ACLs on and no ownership controls',
  },
  PutBucketEncryption: {
    difference:
      'New buckets have no default: objects are stored as they come, where AWS encrypts with SSE-S3. `aws:kms:dsse` is `501 NotImplemented`: two layers of AES would be under keys from one file, and so no safer than one',
  },
  PutBucketLifecycleConfiguration: {
    state: 'part',
    difference:
      'Transitions are `501 NotImplemented`: there is one class of storage to move between. A filter may hold several conditions without `And`, as the public suite asks, and all must hold; AWS refuses that as `MalformedXML`. Rules are applied by `serve` every hour: see [operations](operations.md)',
  },
  PutBucketNotificationConfiguration: {
    difference:
      'Targets are webhooks that the operator named, `arn:holdfast:webhook::name` or `arn:minio:sqs::name:webhook`; no EventBridge, no test event; rules may overlap. See [changes](changes.md)',
  },
  PutBucketOwnershipControls: {
    difference:
      'With ACLs off, `private` from the bucket’s owner is accepted too: many clients always send it',
  },
  PutBucketPolicy: {
    difference: 'Account and user names in principals need not exist',
  },
  PutBucketVersioning: { difference: 'No MFA delete: `501 NotImplemented`' },
  PutObject: {
    state: 'part',
    difference:
      '`If-None-Match` also takes an ETag, which AWS refuses. The null version has no `x-amz-version-id` in the answer. Storage classes that can be read at once are kept as a label; GLACIER and DEEP_ARCHIVE are `InvalidStorageClass`',
  },
  RenameObject: {
    difference:
      'For every bucket that never had versioning, not for directory buckets alone; with versioning `409 InvalidBucketState`. Needs s3:GetObject and s3:DeleteObject of the source and s3:PutObject of the new key, where it has tags s3:GetObjectTagging and s3:PutObjectTagging too. A client token counts for 24 hours',
  },
  TransactObjects: {
    difference: 'AWS does not have it: [transactions](transactions.md)',
  },
  WebsiteGet: {
    difference: 'GET and HEAD of `bucket.<--website-domain>`: index and error documents, redirects',
  },
};

const WRONG_KEY = 'A wrong key is `400 InvalidRequest`, as the public suite asks; AWS says 403';
const KMS_KEY = 'The name of a local key, as it is; not an ARN';
const REQUESTER = 'The owner pays for nothing here';
const EVENT_HOLD = 'There are no event holds; to ignore one would leave an object unprotected';

/** By the request header's name. */
export const HEADER_NOTES: Notes = {
  'access-control-request-headers': { operations: 'Preflight' },
  'access-control-request-method': { operations: 'Preflight' },
  authorization: {
    operations: SIGNED,
    difference:
      'Signature Version 4 of the configured region, and Version 2 unless `--no-signature-v2`. No Version 4A',
  },
  'content-length': { operations: 'all with a body' },
  'content-md5': { operations: 'all with a body' },
  date: { operations: 'signed with Version 2' },
  expect: {
    operations: 'all with a body',
    difference:
      '`100-continue` is answered after authentication and every check that needs no body',
  },
  host: {
    operations: ANY,
    difference: 'Path style, and virtual-host style below each `--domain`',
  },
  'if-range': { operations: 'GetObject, HeadObject' },
  origin: { operations: ANY, difference: 'As the CORS rules of the bucket say' },
  referer: { operations: 'all', difference: '`aws:Referer` of policies' },
  'transfer-encoding': { operations: 'all with a body', difference: '`chunked` alone' },
  'user-agent': { operations: 'all', difference: '`aws:UserAgent` of policies' },
  'x-amz-bucket-namespace': { state: 'no', difference: 'One namespace' },
  'x-amz-bucket-object-lock-token': {
    state: 'ignored',
    difference: 'Object lock can be enabled on a bucket with versioning without one',
  },
  'x-amz-bypass-governance-retention': {
    difference: 'Ignored where the bucket has no object lock, which AWS refuses',
  },
  'x-amz-confirm-remove-self-bucket-access': {
    state: 'ignored',
    difference:
      'A policy that locks its own author out is accepted; the account of the bucket can always delete it',
  },
  'x-amz-content-sha256': { operations: SIGNED },
  'x-amz-date': { operations: SIGNED },
  'x-amz-decoded-content-length': { operations: 'PutObject, UploadPart and others with a body' },
  'x-amz-if-match-initiated-time': { state: 'no', difference: 'Of directory buckets only' },
  'x-amz-mfa': { state: 'ignored', difference: 'MFA delete cannot be enabled' },
  'x-amz-object-annotation-directive': { state: 'ignored', difference: 'There are no annotations' },
  'x-amz-object-lock-event-hold': { state: 'no', difference: EVENT_HOLD },
  'x-amz-object-lock-event-hold-duration-days': { state: 'no', difference: EVENT_HOLD },
  'x-amz-object-lock-event-hold-duration-years': { state: 'no', difference: EVENT_HOLD },
  'x-amz-optional-object-attributes': {
    state: 'ignored',
    difference: 'There is no restore whose status could be shown',
  },
  'x-amz-rename-source': {
    difference: 'A key of the same bucket, percent-encoded; one leading slash is ignored',
  },
  'x-amz-request-payer': { state: 'ignored', difference: REQUESTER },
  'x-amz-security-token': {
    operations: SIGNED,
    state: 'no',
    difference: 'There are no temporary keys: `400 InvalidToken`',
  },
  'x-amz-server-side-encryption': {
    difference:
      '`AES256` and `aws:kms`; without it nothing is encrypted unless the bucket says so. `aws:kms:dsse` is `501 NotImplemented`: see PutBucketEncryption',
  },
  'x-amz-server-side-encryption-aws-kms-key-id': {
    difference: `${KMS_KEY}. Without it the default key of the file, or \`400 KMS.NotFoundException\` where there is none. Version 2 signatures and HTTP are allowed`,
  },
  'x-amz-server-side-encryption-bucket-key-enabled': {
    difference: 'Kept and shown; changes nothing',
  },
  'x-amz-server-side-encryption-context': {
    state: 'no',
    difference: 'The key service is a local file, which checks no context',
  },
  'x-amz-server-side-encryption-customer-key': {
    difference: `${WRONG_KEY}. Over HTTP only from the same machine, or with \`--sse-c-over-http\``,
  },
  'x-amz-skip-destination-validation': {
    state: 'ignored',
    difference: 'No target is called when it is set',
  },
  'x-amz-storage-class': { difference: 'A label, see PutObject' },
  'x-amz-trailer': { operations: 'PutObject, UploadPart and others with a body' },
  'x-amz-write-offset-bytes': { state: 'no', difference: 'Of directory buckets only' },
  'x-holdfast-pin': {
    operations: 'ListObjects, ListObjectsV2, ListObjectVersions',
    difference:
      'AWS does not have it. `true`: all pages are of the revision of the first; each further one is asked for with the value that the page before came with, or in version 2 with its continuation token. It ends with its last page, 10 minutes after its first, or with the server',
  },
};

/** By the query parameter's name. */
export const PARAMETER_NOTES: Notes = {
  AWSAccessKeyId: { operations: 'presigned with Version 2' },
  Expires: { operations: 'presigned with Version 2' },
  Signature: { operations: 'presigned with Version 2' },
  'X-Amz-Algorithm': { operations: 'presigned with Version 4' },
  'X-Amz-Credential': { operations: 'presigned with Version 4' },
  'X-Amz-Date': { operations: 'presigned with Version 4' },
  'X-Amz-Expires': {
    operations: 'presigned with Version 4',
    difference: 'Out of range: 403 `AccessDenied`, not 400',
  },
  'X-Amz-Signature': { operations: 'presigned with Version 4' },
  'X-Amz-SignedHeaders': { operations: 'presigned with Version 4' },
  'bucket-region': { state: 'ignored', difference: 'There is one region' },
  'list-type': { operations: 'ListObjectsV2' },
  versionId: { difference: '32 hexadecimal digits, or `null`' },
};

/** By the name of the answer's header. */
export const ANSWER_NOTES: Notes = {
  'access-control-allow-credentials': { operations: 'Preflight, and all where a CORS rule fits' },
  'access-control-allow-headers': { operations: 'Preflight, and all where a CORS rule fits' },
  'access-control-allow-methods': { operations: 'Preflight, and all where a CORS rule fits' },
  'access-control-allow-origin': { operations: 'Preflight, and all where a CORS rule fits' },
  'access-control-expose-headers': { operations: 'all where a CORS rule fits' },
  'access-control-max-age': { operations: 'Preflight' },
  allow: { operations: '405 MethodNotAllowed' },
  connection: { operations: ANY },
  expiresstring: {
    state: 'no',
    difference: 'A name that SDKs give to `expires`; AWS does not send it either',
  },
  server: { operations: ANY },
  vary: { operations: 'all where a CORS rule fits' },
  'x-amz-access-point-alias': { difference: 'Always `false`' },
  'x-amz-archive-status': { state: 'no', difference: 'Nothing is archived' },
  'x-amz-bucket-location-name': { state: 'no', difference: 'Of directory buckets' },
  'x-amz-bucket-location-type': { state: 'no', difference: 'Of directory buckets' },
  'x-amz-expiration': { difference: 'Not in answers to a read by version id' },
  'x-amz-id-2': { operations: ANY, difference: 'Names the server, not the request' },
  'x-amz-missing-meta': {
    state: 'no',
    difference: 'No metadata is taken that HTTP could not show',
  },
  'x-amz-object-lock-event-hold': { state: 'no', difference: 'There are no event holds' },
  'x-amz-object-lock-event-hold-duration-days': {
    state: 'no',
    difference: 'There are no event holds',
  },
  'x-amz-object-lock-event-hold-duration-years': {
    state: 'no',
    difference: 'There are no event holds',
  },
  'x-amz-object-size': { state: 'no', difference: 'Of directory buckets' },
  'x-amz-replication-status': { state: 'no', difference: 'There is no replication' },
  'x-amz-request-charged': { state: 'no', difference: REQUESTER },
  'x-amz-request-id': { operations: ANY, difference: 'In the log too, of every refusal' },
  'x-amz-restore': { state: 'no', difference: 'Nothing is archived' },
  'x-amz-server-side-encryption-aws-kms-key-id': { difference: KMS_KEY },
  'x-amz-server-side-encryption-context': { state: 'no', difference: 'There are no contexts' },
  'x-holdfast-pin': {
    operations: 'ListObjects, ListObjectsV2, ListObjectVersions',
    difference: 'AWS does not have it: of a pinned listing that has more pages',
  },
};
