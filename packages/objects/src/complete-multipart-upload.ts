/**
 * Complete makes an object of parts that are there already: it writes records, no bytes.
 *
 * 1. Seal: the upload's record is marked, which gives it a new version.
 * 2. The parts are read and held against the request.
 * 3. One transaction, if the upload still has the sealed version: the object's record and manifest are
 *    written, the upload is deleted, the old object is let go of. It is the commit point.
 *
 * Safety: a part that commits after 1 takes the seal away, so 3 fails and all is done again; a part
 * that commits after 3 finds no upload. So the object has exactly the parts that were read.
 */
import { equalBytes, toHex, utf8 } from '@holdfast/bytes';
import { fromBase64 } from './base64.ts';
import { commitObject } from './commit-object.ts';
import { checkWriteConditions } from './conditions.ts';
import { checkCustomerKey, UPLOAD_REFUSALS } from './data-keys.ts';
import { ObjectStoreError } from './errors.ts';
import { entriesOf } from './key-range.ts';
import { idKey, KEY_SPACE, spaceRange } from './keys.ts';
import { layOutManifest } from './manifest.ts';
import { checkObjectKey, checkPartNumber } from './names.ts';
import { type ObjectRecord, objectInfo, storedChecksumOf, validatorsOf } from './object-record.ts';
import type { CompleteMultipartUploadRequest, ObjectInfo } from './object-store.ts';
import { encodeGroupOwner } from './owner-record.ts';
import { checksumOfParts, md5OfParts } from './part-checksums.ts';
import { decodePartRecord, type PartRecord } from './part-record.ts';
import { checkEarly } from './put-object.ts';
import { releaseById } from './release.ts';
import { put, remove, type StoreContext, unchanged } from './store-context.ts';
import {
  decodeCompletedRecord,
  encodeCompletedRecord,
  encodeUploadRecord,
  type UploadRecord,
} from './upload-record.ts';
import { findUpload, type KnownUpload, noSuchUpload, uploadIdBytes } from './uploads.ts';

/** Durable, and seen by every later read, when it resolves. A retry gets the first answer again. */
export async function completeMultipartUpload(
  context: StoreContext,
  request: CompleteMultipartUploadRequest,
): Promise<ObjectInfo> {
  checkObjectKey(request.key);
  const requestMd5 = md5OfRequest(context, request);
  for (let attempt = 0; attempt < context.limits.commitAttempts; attempt++) {
    const earlier = await completedBefore(context, request, requestMd5);
    if (earlier !== undefined) return objectInfo(request.bucket, request.key, earlier);
    try {
      const object = await tryComplete(context, request, requestMd5);
      if (object !== undefined) return objectInfo(request.bucket, request.key, object);
    } catch (error) {
      // A twin of this request may have committed meanwhile: its answer is the answer.
      const twin = await completedBefore(context, request, requestMd5);
      if (twin === undefined) throw error;
      return objectInfo(request.bucket, request.key, twin);
    }
  }
  throw new ObjectStoreError(
    'OperationAborted',
    'A conflicting operation is in progress on this upload. Please try again.',
    { uploadId: request.uploadId },
  );
}

/** The object, or undefined where a part, an abort or another Complete came first. */
async function tryComplete(
  context: StoreContext,
  request: CompleteMultipartUploadRequest,
  requestMd5: Uint8Array,
): Promise<ObjectRecord | undefined> {
  await checkEarly(context, request);
  const open = await findUpload(context, request);
  const listed = checkPartList(request);
  const isKeyNeeded = request.asCeph ?? !open.record.checksumIsDefault;
  if (request.customerKey !== undefined || isKeyNeeded) {
    checkCustomerKey(context, open.record.encryption, request.customerKey, UPLOAD_REFUSALS);
  }
  checkChecksumType(request, open.record);
  const upload = await seal(context, open);
  if (upload === undefined) return undefined;
  const parts = selectParts(
    context,
    { ...request, parts: listed },
    upload,
    await readParts(context, upload.uploadId),
  );
  const object = assemble(context, request, upload.record, parts);
  const { bucket, key, conditions } = request;
  const begunAt =
    conditions?.ifMatch === undefined ? Infinity : await revisionOfStart(context, upload);
  const written = await commitObject(context, {
    event: 'ObjectCreated:CompleteMultipartUpload',
    bucket,
    key,
    check: (current, changedAt = 0) => {
      checkWriteConditions(conditions, validatorsOf(current), key);
      if (changedAt <= begunAt || current === undefined) return;
      // Why its time too: tags, and another seal of its key, change the entry and not the object.
      if (current.modifiedMs >= upload.record.initiatedMs) throw writtenSince(key);
    },
    record: (nowMs) => ({ ...object.record, modifiedMs: nowMs }),
    conditions: [unchanged(upload.kvKey, upload.version)],
    operations: (known, record) => {
      const { bucketId } = known.record;
      // The upload was looked up under this id; under another one the bucket was made anew.
      if (!equalBytes(bucketId, upload.bucket.record.bucketId)) throw noSuchUpload(request);
      const completed = { completedMs: record.modifiedMs, requestMd5, object: record };
      return [
        remove(upload.kvKey),
        put(
          idKey(KEY_SPACE.partGroup, upload.uploadId),
          encodeGroupOwner({ kind: 'object', bucketId, key, versionId: ownVersionId(record) }),
        ),
        put(idKey(KEY_SPACE.completedUpload, upload.uploadId), encodeCompletedRecord(completed)),
        ...object.manifest,
        ...object.leftovers.operations,
      ];
    },
  });
  if ('lost' in written) return undefined;
  context.sweeper.push(object.leftovers.tasks);
  return written;
}

/** The revision in which the upload began: that of an entry which is there with it, and is written once. */
async function revisionOfStart(context: StoreContext, upload: KnownUpload): Promise<number> {
  const entry = await context.kv.get(idKey(KEY_SPACE.partGroup, upload.uploadId));
  return entry?.version ?? Infinity;
}

function writtenSince(key: string): ObjectStoreError {
  return new ObjectStoreError(
    'ConditionalRequestConflict',
    'The object was written since the upload began.',
    { key, condition: 'If-Match' },
  );
}

/** undefined for the null version, which is found by its name. */
function ownVersionId({ version }: ObjectRecord): Uint8Array | undefined {
  return version === undefined || version.isNull ? undefined : version.id;
}

/** The upload with a seal; undefined where another write of it came first. */
async function seal(context: StoreContext, upload: KnownUpload): Promise<KnownUpload | undefined> {
  if (upload.record.sealed) return upload;
  const record: UploadRecord = { ...upload.record, sealed: true };
  const { kvKey } = upload;
  const result = await context.kv.transact({
    conditions: [unchanged(kvKey, upload.version)],
    operations: [put(kvKey, encodeUploadRecord(record))],
  });
  return result.committed ? { ...upload, record, version: result.revision } : undefined;
}

type PartList = CompleteMultipartUploadRequest['parts'];

/**
 * Refuses a list that is empty, not ascending, or has numbers that no part can have. Of a number that comes
 * several times in a row, for a client that sent the part again, the last one counts.
 */
function checkPartList({ parts, uploadId }: CompleteMultipartUploadRequest): PartList {
  if (parts.length === 0) {
    throw new ObjectStoreError('InvalidRequest', 'You must specify at least one part');
  }
  let last = 0;
  for (const { partNumber } of parts) {
    checkPartNumber(partNumber);
    if (partNumber < last) {
      throw new ObjectStoreError(
        'InvalidPartOrder',
        'The list of parts was not in ascending order. The parts list must be specified in order by part number.',
        { partNumber, uploadId },
      );
    }
    last = partNumber;
  }
  return parts.filter((part, at) => part.partNumber !== parts[at + 1]?.partNumber);
}

async function readParts(
  context: StoreContext,
  uploadId: Uint8Array,
): Promise<ReadonlyMap<number, PartRecord>> {
  const parts = new Map<number, PartRecord>();
  for await (const entry of entriesOf(context.kv, spaceRange(KEY_SPACE.part, uploadId))) {
    const part = decodePartRecord(entry.value);
    parts.set(part.partNumber, part);
  }
  return parts;
}

/** The parts that the request lists. InvalidPart, EntityTooSmall. */
function selectParts(
  context: StoreContext,
  request: CompleteMultipartUploadRequest,
  { record }: KnownUpload,
  stored: ReadonlyMap<number, PartRecord>,
): readonly PartRecord[] {
  const parts = request.parts.map((wanted) => {
    const part = stored.get(wanted.partNumber);
    if (
      part === undefined ||
      toHex(part.md5) !== wanted.etag ||
      !sameChecksum(part, wanted, record.checksumIsDefault && request.asCeph === true)
    ) {
      throw new ObjectStoreError(
        'InvalidPart',
        "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.",
        { uploadId: request.uploadId, partNumber: wanted.partNumber, etag: wanted.etag },
      );
    }
    if (!request.asCeph) requireListedChecksum(wanted, record);
    return part;
  });
  for (const part of parts.slice(0, -1)) {
    if (part.sizeBytes >= context.limits.minPartSizeBytes) continue;
    throw new ObjectStoreError(
      'EntityTooSmall',
      'Your proposed upload is smaller than the minimum allowed size',
      {
        partNumber: part.partNumber,
        sizeBytes: part.sizeBytes,
        minSizeBytes: context.limits.minPartSizeBytes,
        etag: toHex(part.md5),
      },
    );
  }
  return parts;
}

function sameChecksum(part: PartRecord, wanted: PartList[number], anotherIsFine: boolean): boolean {
  if (wanted.checksum === undefined) return true;
  // One that the part came with, and was held against then; it was not kept.
  if (anotherIsFine && wanted.checksum.algorithm !== part.checksum?.algorithm) return true;
  const bytes = fromBase64(wanted.checksum.value);
  return (
    bytes !== undefined &&
    part.checksum?.algorithm === wanted.checksum.algorithm &&
    equalBytes(part.checksum.bytes, bytes)
  );
}

function requireListedChecksum(wanted: PartList[number], upload: UploadRecord): void {
  if (upload.checksumType !== 'composite' || wanted.checksum !== undefined) return;
  throw new ObjectStoreError(
    'InvalidRequest',
    `The upload was created using a ${upload.checksumAlgorithm} checksum. The complete request must include the checksum for each part. It was missing for part ${wanted.partNumber} in the request.`,
  );
}

/** The object that the parts make; its time is set at the commit. */
function assemble(
  context: StoreContext,
  request: CompleteMultipartUploadRequest,
  upload: UploadRecord,
  parts: readonly PartRecord[],
) {
  const { digests, clock } = context.env;
  const uploadId = uploadIdBytes(request);
  const { body, operations: manifest } = layOutManifest(uploadId, parts);
  let sizeBytes = 0;
  for (const part of parts) sizeBytes += part.sizeBytes;
  const record: ObjectRecord = {
    sizeBytes,
    modifiedMs: 0,
    md5: md5OfParts(digests, parts),
    partCount: parts.length,
    checksum: checksumOfParts(digests, upload.checksumAlgorithm, upload.checksumType, parts),
    body,
    metadata: upload.metadata,
    encryption: upload.encryption,
  };
  checkWhole(context, request, record);
  checkWholeChecksum(request, upload, record);
  return { record, manifest, leftovers: releaseById('leftovers', uploadId, clock.nowMs()) };
}

/** Holds the object against what the request says of the whole. */
function checkWhole(
  context: StoreContext,
  request: CompleteMultipartUploadRequest,
  record: ObjectRecord,
): void {
  const { sizeBytes } = record;
  if (sizeBytes > context.limits.objectSizeLimitBytes) {
    throw new ObjectStoreError(
      'EntityTooLarge',
      'Your proposed upload exceeds the maximum allowed object size',
      { sizeBytes },
    );
  }
  if (request.sizeBytes !== undefined && request.sizeBytes !== sizeBytes) {
    throw new ObjectStoreError(
      'InvalidRequest',
      `The provided 'x-amz-mp-object-size' header value ${request.sizeBytes} does not match what was computed: ${sizeBytes}`,
      { sizeBytes },
    );
  }
}

/** Holds what the request says of the type of the checksum of the whole against that of the upload. */
function checkChecksumType(
  { checksum: wanted = {} }: CompleteMultipartUploadRequest,
  upload: UploadRecord,
): void {
  const type = upload.checksumIsDefault ? undefined : upload.checksumType;
  if (wanted.type !== undefined && wanted.type !== type) {
    const mode = type?.toUpperCase().replace('-', '_') ?? 'null';
    throw new ObjectStoreError(
      'InvalidRequest',
      `The upload was created using the ${mode} checksum mode. The complete request must use the same checksum mode.`,
    );
  }
}

/** Holds what the request says of the checksum of the whole against the object's value. */
function checkWholeChecksum(
  { checksum: wanted = {}, asCeph }: CompleteMultipartUploadRequest,
  upload: UploadRecord,
  record: ObjectRecord,
): void {
  if (wanted.value === undefined) return;
  const own = storedChecksumOf(record);
  const isTyped =
    wanted.type !== undefined || own?.type === 'composite' || upload.checksumIsDefault;
  if (
    (isTyped || asCeph) &&
    own?.algorithm === wanted.algorithm &&
    // Why: minio-go sends a composite checksum without its `-N`, and S3 takes it so.
    (own?.value === wanted.value || own?.value === `${wanted.value}-${record.partCount}`)
  ) {
    return;
  }
  throw new ObjectStoreError(
    'BadDigest',
    `The ${wanted.algorithm} you specified did not match the calculated checksum.`,
  );
}

/** The object that this very request has made before, if it is not long ago. */
async function completedBefore(
  context: StoreContext,
  request: CompleteMultipartUploadRequest,
  requestMd5: Uint8Array,
): Promise<ObjectRecord | undefined> {
  const entry = await context.kv.get(idKey(KEY_SPACE.completedUpload, uploadIdBytes(request)));
  if (entry === undefined) return undefined;
  const completed = decodeCompletedRecord(entry.value);
  if (!equalBytes(completed.requestMd5, requestMd5)) throw noSuchUpload(request);
  return completed.object;
}

/** Tells a retry from another request: bucket, key and the list of parts. */
function md5OfRequest(
  context: StoreContext,
  { bucket, key, parts }: CompleteMultipartUploadRequest,
): Uint8Array {
  const list = parts.map((part) => `${part.partNumber}=${part.etag}`);
  const text = JSON.stringify([bucket, key, list]);
  return context.env.digests.compute(['md5'], utf8(text)).get('md5') as Uint8Array;
}
