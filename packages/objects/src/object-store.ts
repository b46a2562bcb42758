import type { DigestAlgorithm, DigestResults } from '@holdfast/env';
import type { ListBucketsOptions, ListBucketsPage } from './bucket-page.ts';
import type { OwnOfCopy, SourceTags } from './copy-object.ts';
import type { EncryptionRequest, ObjectEncryption } from './encryption.ts';
import type { JudgedWrite, LocalObjectStore } from './judged-write.ts';
import type { RewrapReport } from './key-service.ts';
import type { DefaultRetention, Retention } from './object-lock.ts';
import type { GarbageReport, LifecycleReport } from './pass-reports.ts';
import type { RangeValidator } from './range-validator.ts';
import type { ObjectTransactionRequest, TransactionResult } from './transaction-request.ts';

/** Object semantics without HTTP. Every method rejects with an `ObjectStoreError` or a `KvError`. */
export interface ObjectStore {
  /** In a cluster: the same store without a question to the other nodes. undefined where no read asks one. */
  readonly local?: LocalObjectStore | undefined;
  createBucket(
    name: string,
    options: {
      readonly ownerId: string;
      readonly region: string;
      readonly settings?: ReadonlyMap<string, string>;
    },
  ): Promise<Bucket>;
  getBucket(name: string): Promise<Bucket>;
  /** Sets one document of the bucket, or takes it away. InvalidRequest where all together are more than 512 KiB. */
  putBucketSetting(name: string, setting: string, document: string | undefined): Promise<void>;
  /** BucketNotEmpty while it has objects; open multipart uploads do not count, they are aborted. */
  deleteBucket(name: string): Promise<void>;
  listBuckets(options: ListBucketsOptions): Promise<ListBucketsPage>;

  putObject(request: PutObjectRequest): Promise<PutObjectResult>;
  headObject(request: HeadObjectRequest): Promise<ObjectInfo>;
  /** The caller must read `body` to its end or call `close`. */
  getObject(request: ReadObjectRequest): Promise<ObjectReader>;
  /** No error where there is no such object, unless a condition says there must be. */
  deleteObject(request: DeleteObjectRequest): Promise<DeleteObjectResult>;
  copyObject(request: CopyObjectRequest): Promise<CopyObjectResult>;
  /** All of it happens, or nothing: one entry of the log. Its bodies are read in their order. */
  transactObjects(request: ObjectTransactionRequest): Promise<readonly TransactionResult[]>;
  /** In one transaction, without touching its bytes. NoSuchKey; InvalidBucketState where there are versions. */
  renameObject(request: RenameObjectRequest): Promise<void>;
  /** Replaces owner and ACL of a version, and nothing else of it. NoSuchKey, NoSuchVersion. */
  putObjectAccess(address: VersionAddress, access: ObjectAccess): Promise<ObjectInfo>;
  /** Replaces the tags of a version; undefined takes them away. */
  putObjectTagging(address: VersionAddress, tagging: string | undefined): Promise<ObjectInfo>;
  /** AccessDenied where the present retention does not allow the change; undefined takes it away. */
  putObjectRetention(request: PutObjectRetentionRequest): Promise<ObjectInfo>;
  putObjectLegalHold(address: VersionAddress, hold: 'ON' | 'OFF'): Promise<ObjectInfo>;
  listObjects(request: ListObjectsRequest): Promise<ListObjectsPage>;
  listObjectVersions(request: ListVersionsRequest): Promise<ListVersionsPage>;
  /** The parts that an object was completed from; none for a plain put. */
  listObjectParts(request: ListObjectPartsRequest): Promise<ListObjectPartsPage>;

  /** Switches versioning on, or suspends it. InvalidBucketState where object lock needs it. */
  putBucketVersioning(bucket: string, state: 'Enabled' | 'Suspended'): Promise<void>;
  /** Switches object lock on for good, and sets what new objects get. InvalidBucketState without versioning. */
  putBucketObjectLock(bucket: string, retention: DefaultRetention | undefined): Promise<void>;

  createMultipartUpload(request: CreateMultipartUploadRequest): Promise<UploadInfo>;
  uploadPart(request: UploadPartRequest): Promise<PartResult>;
  uploadPartCopy(request: UploadPartCopyRequest): Promise<UploadPartCopyResult>;
  completeMultipartUpload(request: CompleteMultipartUploadRequest): Promise<ObjectInfo>;
  abortMultipartUpload(request: UploadAddress): Promise<void>;
  /** The upload itself, for its metadata and checksum settings. NoSuchUpload where there is none. */
  getMultipartUpload(request: UploadAddress): Promise<UploadInfo>;
  listParts(request: ListPartsRequest): Promise<ListPartsPage>;
  listMultipartUploads(request: ListUploadsRequest): Promise<ListUploadsPage>;

  /** One whole pass of the sweeper: released blobs, then intents of crashed uploads, then unreferenced blobs. */
  collectGarbage(): Promise<GarbageReport>;
  /**
   * One whole pass over all buckets that have a lifecycle, on the task queue; what the queue does again after a failure
   * goes on where the pass had come to. Rejects with the first failure.
   */
  runLifecycle(): Promise<LifecycleReport>;
  /** Seals data keys anew that an older version of a key sealed. Resolves early where `shouldStop` says so. */
  rewrapKeys(shouldStop?: () => boolean): Promise<RewrapReport>;
  /** Stops background work, waits for what runs. The KvStore stays open. Idempotent. */
  close(): Promise<void>;
}

export interface Bucket {
  readonly name: string;
  /** Another one after each change of the bucket or its settings. */
  readonly version: number;
  /** Wall-clock milliseconds. */
  readonly createdMs: number;
  readonly ownerId: string;
  readonly region: string;
  /** What its owner has set, by name: `policy`, `acl`, `cors`, … Opaque to the store, and gone with the bucket. */
  readonly settings: ReadonlyMap<string, string>;
}

export interface ObjectAddress {
  readonly bucket: string;
  /** 1 to 1024 bytes of UTF-8. */
  readonly key: string;
}

/** One version of a key: without an id, the latest. */
export interface VersionAddress extends ObjectAddress {
  /** As a result gave it, or `null`. */
  readonly versionId?: string | undefined;
}

/** Checksum algorithms that S3 stores with an object. */
export type ChecksumAlgorithm = DigestAlgorithm;

export interface StoredChecksum {
  readonly algorithm: ChecksumAlgorithm;
  /** `composite` is a checksum of the parts' checksums. */
  readonly type: 'full-object' | 'composite';
  /** Base64; a composite one with `-N` appended. */
  readonly value: string;
}

/** What a client says about an object and gets back unchanged. */
export interface ObjectMetadata {
  /** Lower-case header names without `x-amz-meta-`. */
  readonly user: Readonly<Record<string, string>>;
  readonly contentType?: string;
  readonly cacheControl?: string;
  readonly contentDisposition?: string;
  readonly contentEncoding?: string;
  readonly contentLanguage?: string;
  readonly expires?: string;
  readonly websiteRedirectLocation?: string;
  readonly storageClass?: string;
  /** Who owns the object; absent for the bucket's owner. */
  readonly ownerId?: string;
  /** Who else may do what with it, opaque to the store; absent for nobody. */
  readonly acl?: string;
  /** Tags as a query string: `a=1&b=2`, percent-encoded. */
  readonly tagging?: string;
  /** As `retentionText` writes it. */
  readonly retention?: string;
  readonly legalHold?: string;
}

/** Owner and ACL of an object, as in its metadata. */
export type ObjectAccess = Pick<ObjectMetadata, 'ownerId' | 'acl'>;

export interface ObjectInfo extends ObjectAddress {
  /** Only where the bucket has or had versioning. */
  readonly versionId?: string | undefined;
  readonly sizeBytes: number;
  /**
   * Without quotes: 32 hexadecimal digits, and `-N` for an object of N parts. The MD5 of the bytes, or of the parts'
   * MD5s; where a customer's or a named key encrypts, it says nothing about the bytes.
   */
  readonly etag: string;
  /** Wall-clock milliseconds; S3 shows whole seconds. */
  readonly modifiedMs: number;
  readonly metadata: ObjectMetadata;
  readonly checksum?: StoredChecksum | undefined;
  /** Parts that a multipart object was completed from; undefined for a plain put. */
  readonly partCount?: number | undefined;
  readonly encryption?: ObjectEncryption | undefined;
}

/** The conditional headers. Several at once are combined as RFC 9110 section 13.2.2 orders. */
export interface ObjectConditions {
  /** ETags without quotes, or `*`. */
  readonly ifMatch?: '*' | readonly string[];
  readonly ifNoneMatch?: '*' | readonly string[];
  /** Milliseconds, compared in whole seconds. */
  readonly ifModifiedSinceMs?: number;
  readonly ifUnmodifiedSinceMs?: number;
}

/**
 * Takes the next bytes of a body. They are the taker's until it returns, or until the promise that it returns has settled;
 * where it returns none, it needs no waiting.
 */
export type TakePiece = (piece: Uint8Array) => Promise<void> | undefined;

/** Body bytes on their way in. */
export interface BodySource {
  /** Exact size if it is known beforehand; a body that differs is refused with IncompleteBody. */
  readonly sizeBytes?: number | undefined;
  /** Pieces of any size. A piece may be reused by its producer once the next one is asked for. */
  readonly pieces: AsyncIterable<Uint8Array>;
  /**
   * Takes all `sizeBytes` of the body at once, instead of `pieces`, if they have come and nothing was read yet; else it
   * changes nothing. The bytes are the taker's.
   */
  readonly takeArrived?: () => Uint8Array | undefined;
  /**
   * Gives all of the body to `take`, instead of `pieces`; resolves at its end, and rejects with what `take` throws. Why: a
   * large body then costs no promise for each layer and piece, and its source knows when it may free one.
   */
  readonly pour?: (take: TakePiece) => Promise<void>;
}

export interface BodyVerification {
  /** Digests wanted besides MD5, which is always computed. */
  readonly digests: readonly DigestAlgorithm[];
  /**
   * Called once after the last byte and before the commit, with all digests (MD5 among them). What it
   * throws refuses the body: nothing is stored. It names the digest to store as the checksum, if any.
   */
  readonly accept: (digests: DigestResults, sizeBytes: number) => ChecksumAlgorithm | undefined;
}

export interface PutObjectRequest extends ObjectAddress, JudgedWrite {
  readonly body: BodySource;
  readonly verification?: BodyVerification;
  readonly metadata: ObjectMetadata;
  readonly conditions?: ObjectConditions | undefined;
  /** Default: none. */
  readonly encryption?: EncryptionRequest | undefined;
  /** What it is called where changes are told. Default `ObjectCreated:Put`. */
  readonly event?: 'ObjectCreated:Post';
}

export interface PutObjectResult {
  readonly etag: string;
  readonly sizeBytes: number;
  readonly modifiedMs: number;
  readonly checksum?: StoredChecksum | undefined;
  /** Only where the bucket has or had versioning. */
  readonly versionId?: string | undefined;
  /** The tags that it was stored with. */
  readonly tagging?: string | undefined;
  readonly encryption?: ObjectEncryption | undefined;
}

/** Byte range as HTTP asks for it: `[first, last]` inclusive, from `first`, or the last `suffix` bytes. */
export type ByteRangeRequest =
  | { readonly kind: 'from'; readonly first: number; readonly last?: number }
  | { readonly kind: 'suffix'; readonly length: number };

export interface ReadObjectRequest extends VersionAddress {
  readonly conditions?: ObjectConditions | undefined;
  readonly range?: ByteRangeRequest | undefined;
  /** Where the object is another than this, the range is not looked at and all of it is read. */
  readonly ifRange?: RangeValidator | undefined;
  /** Reads one part of a multipart object, from 1; part 1 of a plain object is all of it. */
  readonly partNumber?: number | undefined;
  /** The key of the customer whose key encrypts it. InvalidRequest where it is missing, needless or another. */
  readonly customerKey?: Uint8Array | undefined;
}

export interface HeadObjectRequest extends ReadObjectRequest {
  /** Answers whatever the customer's key is: for who looks at the owner or the tags, and shows nothing else. */
  readonly anyKey?: boolean;
  /** Where the latest version is a delete marker, that is what is asked about: MethodNotAllowed and not NoSuchKey. */
  readonly markerToo?: boolean;
}

export interface ObjectReader {
  readonly info: ObjectInfo;
  /** What is read: bytes [offset, offset + length) of the object. */
  readonly offset: number;
  readonly length: number;
  /** The part that was asked for by its number, of an object that has parts. */
  readonly part: PartInfo | undefined;
  /** The bytes, checked, in pieces of at most 1 MiB. One is valid until the next is asked for or it is `release`d to its pool. */
  readonly body: AsyncIterable<Uint8Array>;
  /** All bytes at once if the store already has them in memory and they are few (at most 128 KiB). */
  readonly immediate: Uint8Array | undefined;
  /** Gives back what the read pins. Idempotent; reading to the end does it too. */
  close(): void;
}

export interface DeleteObjectRequest extends VersionAddress, JudgedWrite {
  /** Deletes a version in spite of a GOVERNANCE retention. */
  readonly bypassGovernance?: boolean;
  /** Whatever lock a version has. Safety: for who throws away a whole store, as between two tests; no client can ask. */
  readonly ignoreLock?: boolean;
  /** `ifMatch` on a key that is not there: NoSuchKey; on another ETag: PreconditionFailed. */
  readonly conditions?: ObjectConditions & {
    readonly ifSizeBytes?: number;
    readonly ifLastModifiedMs?: number;
  };
}

export interface DeleteObjectResult {
  /** The version that was deleted, or the delete marker that was made. */
  readonly versionId?: string;
  /** Whether that is a delete marker. */
  readonly deleteMarker?: boolean;
}

export interface CopyObjectRequest extends ObjectAddress, SourceTags {
  readonly source: VersionAddress;
  readonly sourceConditions?: ObjectConditions;
  readonly conditions?: ObjectConditions;
  /** Replaces the source's metadata; undefined copies it. Copying onto itself unchanged: InvalidRequest. */
  readonly metadata?: ObjectMetadata;
  /** Owner and ACL of the copy: never the source's. */
  readonly access?: ObjectAccess;
  /** Of the copy, never the source's. Without it class and redirect are copied, and there is no lock. */
  readonly own?: OwnOfCopy;
  /** Tags of the copy, empty for none; undefined copies them. */
  readonly tagging?: string;
  /** Computes and stores this checksum of the whole copy; default: the source's algorithm, if it has one. */
  readonly checksumAlgorithm?: ChecksumAlgorithm;
  /** Of the copy; default: none, whatever the source has. */
  readonly encryption?: EncryptionRequest;
  /** That the source is encrypted with. */
  readonly sourceCustomerKey?: Uint8Array;
}

export interface CopyObjectResult extends PutObjectResult {
  readonly sourceVersionId?: string;
}

export interface RenameObjectRequest extends ObjectAddress, SourceTags {
  readonly sourceKey: string;
  readonly sourceConditions?: ObjectConditions;
  /** Of what is under the new key now. */
  readonly conditions?: ObjectConditions;
  /** Under one token it is done once, however often it is asked for within 24 hours. */
  readonly clientToken?: string;
}

export interface PutObjectRetentionRequest extends VersionAddress {
  readonly retention: Retention | undefined;
  /** Changes a GOVERNANCE retention in spite of it. */
  readonly bypassGovernance?: boolean;
}

/** An object, or a delete marker. */
export interface ObjectVersion extends ObjectInfo {
  readonly versionId: string;
  readonly isLatest: boolean;
  readonly isDeleteMarker: boolean;
}

export interface ListVersionsRequest {
  readonly bucket: string;
  readonly prefix?: string;
  readonly delimiter?: string;
  /** Only names after this one, exclusive. */
  readonly afterKey?: string;
  /** With `afterKey`: also versions of that key that come after this one. */
  readonly afterVersionId?: string;
  /** At most so many versions and common prefixes together; 0 to 1000. */
  readonly limit: number;
  /** As of a `ListObjectsRequest`. */
  readonly pinned?: true | string;
}

export interface ListVersionsPage {
  /** Of a pinned listing that goes on. */
  readonly pin?: string;
  /** By key, and then newest first. */
  readonly versions: readonly ObjectVersion[];
  readonly commonPrefixes: readonly string[];
  readonly more: boolean;
  readonly lastKey: string | undefined;
  readonly lastVersionId: string | undefined;
}

export interface ListObjectPartsRequest extends VersionAddress {
  /** Part numbers above this one. */
  readonly after: number;
  readonly limit: number;
  readonly conditions?: ObjectConditions;
  readonly customerKey?: Uint8Array;
}

export interface ListObjectPartsPage {
  readonly info: ObjectInfo;
  readonly parts: readonly PartInfo[];
  readonly more: boolean;
}

export interface ListObjectsRequest {
  readonly bucket: string;
  readonly prefix?: string;
  /** Any non-empty string. */
  readonly delimiter?: string;
  /** Only names (keys and common prefixes) after this one, exclusive, in UTF-8 byte order. */
  readonly after?: string;
  /** At most so many keys and common prefixes together; 0 to 1000. */
  readonly limit: number;
  /** All pages at the revision of the first: true for that one, `pin` of the page before for each other. */
  readonly pinned?: true | string;
}

export interface ListObjectsPage {
  /** Of a pinned listing that goes on. */
  readonly pin?: string;
  readonly objects: readonly ObjectInfo[];
  readonly commonPrefixes: readonly string[];
  readonly more: boolean;
  /** Last name returned, to be given as `after` for the next page; undefined when nothing was returned. */
  readonly last: string | undefined;
}

export interface UploadAddress extends ObjectAddress {
  readonly uploadId: string;
}

export interface CreateMultipartUploadRequest extends ObjectAddress {
  readonly metadata: ObjectMetadata;
  readonly ownerId: string;
  /** Default: CRC64NVME of the whole object, while parts may come with any other. */
  readonly checksumAlgorithm?: ChecksumAlgorithm;
  readonly checksumType?: 'full-object' | 'composite';
  /** Of the object and all its parts. Default: none. */
  readonly encryption?: EncryptionRequest;
}

export interface UploadInfo extends UploadAddress {
  readonly initiatedMs: number;
  readonly ownerId: string;
  readonly metadata: ObjectMetadata;
  readonly checksumAlgorithm?: ChecksumAlgorithm;
  readonly checksumType?: 'full-object' | 'composite';
  /** The client named no checksum, and the algorithm is S3's own choice. */
  readonly checksumIsDefault: boolean;
  readonly encryption?: ObjectEncryption;
}

export interface UploadPartRequest extends UploadAddress {
  /** 1 to 10000. */
  readonly partNumber: number;
  readonly body: BodySource;
  readonly verification?: BodyVerification;
  /** That the upload was created with. */
  readonly customerKey?: Uint8Array;
}

export interface UploadPartCopyRequest extends UploadAddress {
  readonly partNumber: number;
  readonly source: VersionAddress;
  readonly sourceConditions?: ObjectConditions;
  readonly range?: { readonly first: number; readonly last: number };
  readonly customerKey?: Uint8Array;
  readonly sourceCustomerKey?: Uint8Array;
}

export interface PartInfo {
  readonly partNumber: number;
  readonly etag: string;
  readonly sizeBytes: number;
  readonly modifiedMs: number;
  readonly checksum?: { readonly algorithm: ChecksumAlgorithm; readonly value: string };
}

/** A part as it was stored, and how. */
export interface PartResult extends PartInfo {
  readonly encryption?: ObjectEncryption;
}

export interface UploadPartCopyResult extends PartResult {
  readonly sourceVersionId?: string;
}

export interface CompleteMultipartUploadRequest extends UploadAddress {
  /** Ascending part numbers (else InvalidPartOrder); each but the last at least 5 MiB (else EntityTooSmall). */
  readonly parts: readonly {
    readonly partNumber: number;
    readonly etag: string;
    readonly checksum?: { readonly algorithm: ChecksumAlgorithm; readonly value: string };
  }[];
  readonly conditions?: ObjectConditions;
  /** The whole object's as the client knows it, composite also without `-N`: another is BadDigest, another type InvalidRequest. */
  readonly checksum?: Partial<StoredChecksum>;
  readonly sizeBytes?: number;
  /** That the upload was created with; needed only where a checksum algorithm was named then, or `asCeph` is true. */
  readonly customerKey?: Uint8Array;
  /** As Ceph's gateway has it, not AWS: the key is needed, and checksums may be left out of the list, or be in it needlessly. */
  readonly asCeph?: true;
}

export interface ListPartsRequest extends UploadAddress {
  /** Part numbers above this one. */
  readonly after: number;
  readonly limit: number;
}

export interface ListPartsPage {
  readonly upload: UploadInfo;
  readonly parts: readonly PartInfo[];
  readonly more: boolean;
}

export interface ListUploadsRequest {
  readonly bucket: string;
  readonly prefix?: string;
  readonly delimiter?: string;
  readonly afterKey?: string;
  /** With `afterKey`: also uploads of that key whose id is greater. */
  readonly afterUploadId?: string;
  readonly limit: number;
}

export interface ListUploadsPage {
  readonly uploads: readonly UploadInfo[];
  readonly commonPrefixes: readonly string[];
  readonly more: boolean;
  readonly lastKey: string | undefined;
  readonly lastUploadId: string | undefined;
}
