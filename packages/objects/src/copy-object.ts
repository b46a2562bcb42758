/** Copies made inside the store: bytes go from the source's chunks through the ordinary put. */

import { resolveRange } from './byte-range.ts';
import { checkCopySourceConditions } from './conditions.ts';
import { newEncryption } from './data-keys.ts';
import { ObjectStoreError } from './errors.ts';
import { getObject } from './get-object.ts';
import { checkMetadata, checkObjectKey, checkPartNumber } from './names.ts';
import type {
  ByteRangeRequest,
  ChecksumAlgorithm,
  CopyObjectRequest,
  CopyObjectResult,
  ObjectAddress,
  ObjectInfo,
  ObjectMetadata,
  ObjectReader,
  ReadObjectRequest,
  UploadPartCopyRequest,
  UploadPartCopyResult,
} from './object-store.ts';
import { checkEarly, commitStaged } from './put-object.ts';
import { type BodyEncryption, type StagedBody, stageBody } from './staged-body.ts';
import type { StoreContext } from './store-context.ts';
import { commitPart, partEncryption } from './upload-part.ts';
import { findUpload } from './uploads.ts';

/** Of who may not read the tags of every source, or not write all tags of the target. */
export interface SourceTags {
  /** Asked of the tags of a source that has some, if they would be copied. Where it says no: AccessDenied. */
  readonly mayCopyTags?: (tagging: string) => boolean;
}

/** What a copy never takes from its source, if the request says that it has it or has none. */
export type OwnOfCopy = Pick<
  ObjectMetadata,
  'retention' | 'legalHold' | 'storageClass' | 'websiteRedirectLocation'
>;

export async function copyObject(
  context: StoreContext,
  request: CopyObjectRequest,
): Promise<CopyObjectResult> {
  const { source, bucket, key } = request;
  checkObjectKey(key);
  if (request.metadata !== undefined) checkMetadata(request.metadata);
  await checkEarly(context, request);
  const reader = await openSource(context, {
    ...source,
    conditions: request.sourceConditions,
    customerKey: request.sourceCustomerKey,
    mayCopyTags: request.mayCopyTags,
  });
  if (isOntoItself(request) && !changesItself(request, reader.info)) {
    reader.close();
    throw copyOntoItself();
  }
  const metadata = metadataOfCopy(request, reader.info.metadata);
  const staged = await stageCopy(context, reader, request);
  const { conditions } = request;
  const target = { bucket, key, metadata, ...(conditions === undefined ? {} : { conditions }) };
  const result = await commitStaged(context, target, staged, 'ObjectCreated:Copy');
  const { versionId: sourceVersionId } = reader.info;
  return sourceVersionId === undefined ? result : { ...result, sourceVersionId };
}

function isOntoItself({ source, bucket, key }: CopyObjectRequest): boolean {
  return source.bucket === bucket && source.key === key && source.versionId === undefined;
}

/** The encryption of the source, if none is said of the copy, is taken off it. */
function changesItself(
  { encryption, metadata, own }: CopyObjectRequest,
  source: Pick<ObjectInfo, 'encryption'>,
): boolean {
  const said = metadata ?? own?.storageClass ?? own?.websiteRedirectLocation;
  return (said ?? encryption ?? source.encryption) !== undefined;
}

/** Tags are copied unless they are replaced; owner, ACL and object lock are the copy's own, and what `own` says. */
export function metadataOfCopy(
  request: Pick<CopyObjectRequest, 'metadata' | 'tagging' | 'access' | 'own'>,
  source: ObjectMetadata,
): ObjectMetadata {
  const {
    ownerId: _owner,
    acl: _acl,
    retention: _retention,
    legalHold: _legalHold,
    tagging: _tagging,
    storageClass,
    websiteRedirectLocation,
    ...described
  } = request.metadata ?? source;
  const own = request.own ?? {
    ...(storageClass !== undefined && { storageClass }),
    ...(websiteRedirectLocation !== undefined && { websiteRedirectLocation }),
  };
  const tagging = request.tagging ?? source.tagging;
  return {
    ...described,
    ...(tagging === undefined || tagging === '' ? {} : { tagging }),
    ...request.access,
    ...own,
  };
}

export async function uploadPartCopy(
  context: StoreContext,
  request: UploadPartCopyRequest,
): Promise<UploadPartCopyResult> {
  const { source, partNumber, range } = request;
  checkPartNumber(partNumber);
  const upload = await findUpload(context, request);
  const wanted: ByteRangeRequest | undefined = range && { kind: 'from', ...range };
  const reader = await openSource(context, {
    ...source,
    conditions: request.sourceConditions,
    range: wanted,
    customerKey: request.sourceCustomerKey,
  });
  const algorithm = upload.record.checksumAlgorithm;
  const staged = await stageFrom(context, reader, algorithm, () =>
    partEncryption(context, upload, request),
  );
  const committed = await commitPart(context, { address: request, partNumber, upload }, staged);
  const { checksum: _chosen, ...plain } = committed;
  // What S3 chose by itself it does not show before the object is complete.
  const part = upload.record.checksumIsDefault ? plain : committed;
  const { versionId: sourceVersionId } = reader.info;
  return sourceVersionId === undefined ? part : { ...part, sourceVersionId };
}

/** Opens what is copied, and refuses what cannot be. The caller closes the reader. */
export async function openSource(
  context: StoreContext,
  source: {
    readonly bucket: string;
    readonly key: string;
    readonly versionId?: string | undefined;
    readonly conditions: ReadObjectRequest['conditions'] | undefined;
    readonly range?: ByteRangeRequest | undefined;
    readonly customerKey: Uint8Array | undefined;
    readonly mayCopyTags?: SourceTags['mayCopyTags'] | undefined;
  },
): Promise<ObjectReader> {
  const { bucket, key, versionId, conditions, range, customerKey } = source;
  const reader = await getObject(
    context,
    {
      bucket,
      key,
      ...(versionId === undefined ? {} : { versionId }),
      ...(conditions === undefined ? {} : { conditions }),
      ...(range === undefined ? {} : { range }),
      ...(customerKey === undefined ? {} : { customerKey }),
    },
    checkCopySourceConditions,
  ).catch((error: unknown) => refuseMissing(error, { bucket, key }));
  try {
    checkCopiedTags(source.mayCopyTags, reader.info.metadata);
    refuseSource(context, reader, range);
  } catch (error) {
    reader.close();
    throw error;
  }
  return reader;
}

/** @throws ObjectStoreError AccessDenied */
export function checkCopiedTags(
  mayCopyTags: SourceTags['mayCopyTags'] | undefined,
  { tagging }: ObjectMetadata,
): void {
  if (mayCopyTags === undefined || tagging === undefined || tagging === '') return;
  if (mayCopyTags(tagging)) return;
  throw new ObjectStoreError(
    'AccessDenied',
    'Access Denied. The source has tags: s3:GetObjectTagging is needed for it, and s3:PutObjectTagging for the target.',
  );
}

/** A version that is a delete marker: S3 says of a copy's source what it does not say of a read. */
function refuseMissing(error: unknown, source: ObjectAddress): never {
  if (!(error instanceof ObjectStoreError)) throw error;
  const { code, message, details } = error;
  if (code === 'NoSuchKey') {
    throw new ObjectStoreError(code, message, { ...details, source }, { cause: error });
  }
  if (code !== 'MethodNotAllowed') throw error;
  throw new ObjectStoreError(
    'InvalidRequest',
    'The source of a copy request may not specifically refer to a delete marker by version id.',
  );
}

/** A copy's range must lie in the source whole, where a read's is cut; and a copy is no larger than a put. */
function refuseSource(
  context: StoreContext,
  { info, length }: ObjectReader,
  range: ByteRangeRequest | undefined,
): void {
  if (range?.kind === 'from' && (range.last ?? 0) >= info.sizeBytes) {
    resolveRange({ kind: 'from', first: info.sizeBytes }, info.sizeBytes);
  }
  if (length <= context.limits.putSizeLimitBytes) return;
  throw new ObjectStoreError(
    'InvalidRequest',
    `The specified copy source is larger than the maximum allowable size for a copy source: ${context.limits.putSizeLimitBytes}`,
    { sizeBytes: length },
  );
}

/**
 * Stages all that the reader gives, and closes it; with a checksum of all of it by the algorithm of the source, if no
 * other is wanted: a copy has no parts of which a composite could be.
 */
export async function stageCopy(
  context: StoreContext,
  reader: ObjectReader,
  wanted: Pick<CopyObjectRequest, 'checksumAlgorithm' | 'encryption'>,
): Promise<StagedBody> {
  const algorithm = wanted.checksumAlgorithm ?? reader.info.checksum?.algorithm;
  return await stageFrom(context, reader, algorithm, async () => {
    const opened = await newEncryption(context, wanted.encryption);
    return opened && { ...opened, partNumber: 0 };
  });
}

async function stageFrom(
  context: StoreContext,
  reader: ObjectReader,
  algorithm: ChecksumAlgorithm | undefined,
  encrypt: () => Promise<BodyEncryption | undefined>,
): Promise<StagedBody> {
  try {
    return await stageBody(context, {
      encryption: await encrypt(),
      body: { sizeBytes: reader.length, pieces: reader.body },
      verification: {
        digests: algorithm === undefined ? [] : [algorithm],
        accept: () => algorithm,
      },
    });
  } finally {
    reader.close();
  }
}

function copyOntoItself(): ObjectStoreError {
  return new ObjectStoreError(
    'InvalidRequest',
    "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
  );
}
