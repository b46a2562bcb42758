/**
 * `@holdfast/objects`: S3's objects without HTTP: buckets, objects, multipart uploads, listing and
 * garbage collection over the KvStore port. Below it is `@holdfast/kv`, above it `@holdfast/s3`.
 *
 * @example
 * const store = createObjectStore({ kv, env, tasks });
 * await store.createBucket('photos', { ownerId: 'me', region: 'us-east-1' });
 * await store.putObject({ bucket: 'photos', key: 'a', body: { pieces }, metadata: { user: {} } });
 * const { body } = await store.getObject({ bucket: 'photos', key: 'a' });
 *
 * Source: packages/objects/src
 */

export type { ListBucketsOptions, ListBucketsPage } from './bucket-page.ts';
export type { OwnOfCopy } from './copy-object.ts';
export type { ObjectStoreOptions } from './create-object-store.ts';
export { createObjectStore } from './create-object-store.ts';
export type { EncryptionRequest, ObjectEncryption } from './encryption.ts';
export type { ErrorDetails, ObjectStoreErrorCode } from './errors.ts';
export { ObjectStoreError } from './errors.ts';
export type { ChangeFeed, FeedNodes, FeedPage, FeedPlace } from './journal/change-feed.ts';
export { closeChangeFeed, openChangeFeed } from './journal/change-feed.ts';
export type { EventQueue, QueuedEvent } from './journal/event-queue.ts';
export { createEventQueue } from './journal/event-queue.ts';
export type { JournalOptions } from './journal/journal.ts';
export type { NotificationRule } from './journal/notification-rules.ts';
export { NOTIFICATION_SETTING, readNotificationRules } from './journal/notification-rules.ts';
export type { ChangeName, PlacedChange } from './journal/object-change.ts';
export type { JudgedWrite, LocalObjectStore } from './judged-write.ts';
export { notCurrent } from './judged-write.ts';
export type {
  DataKey,
  KeyService,
  KeyServiceErrorCode,
  RewrapReport,
  SealedKey,
} from './key-service.ts';
export { KeyServiceError } from './key-service.ts';
export type {
  LifecycleConfiguration,
  LifecycleDue,
  LifecycleFilter,
  LifecycleRule,
  LifecycleTag,
} from './lifecycle-rules.ts';
export {
  expirationOf,
  LIFECYCLE_SETTING,
  lifecycleOf,
  uploadAbortOf,
} from './lifecycle-rules.ts';
export type { ObjectStoreLimits } from './limits.ts';
export type { LocalKeysOptions } from './local-keys.ts';
export { createLocalKeys, keyFingerprint } from './local-keys.ts';
export { checkBucketName } from './names.ts';
export type { DefaultRetention, Retention, RetentionMode } from './object-lock.ts';
export { defaultRetentionOf, hasObjectLock, parseRetention, retentionText } from './object-lock.ts';
export type {
  BodySource,
  BodyVerification,
  Bucket,
  ByteRangeRequest,
  ChecksumAlgorithm,
  CompleteMultipartUploadRequest,
  CopyObjectRequest,
  CopyObjectResult,
  CreateMultipartUploadRequest,
  DeleteObjectRequest,
  DeleteObjectResult,
  HeadObjectRequest,
  ListObjectPartsPage,
  ListObjectPartsRequest,
  ListObjectsPage,
  ListObjectsRequest,
  ListPartsPage,
  ListPartsRequest,
  ListUploadsPage,
  ListUploadsRequest,
  ListVersionsPage,
  ListVersionsRequest,
  ObjectAccess,
  ObjectAddress,
  ObjectConditions,
  ObjectInfo,
  ObjectMetadata,
  ObjectReader,
  ObjectStore,
  ObjectVersion,
  PartInfo,
  PartResult,
  PutObjectRequest,
  PutObjectResult,
  PutObjectRetentionRequest,
  ReadObjectRequest,
  RenameObjectRequest,
  StoredChecksum,
  TakePiece,
  UploadAddress,
  UploadInfo,
  UploadPartCopyRequest,
  UploadPartCopyResult,
  UploadPartRequest,
  VersionAddress,
} from './object-store.ts';
export type { GarbageReport, LifecycleReport } from './pass-reports.ts';
export type { RangeValidator } from './range-validator.ts';
export { rangeHolds } from './range-validator.ts';
export type { TaskQueue, TaskQueueFactory } from './task-queue.ts';
export type {
  ObjectTransactionRequest,
  TransactionOperation,
  TransactionResult,
} from './transaction-request.ts';
