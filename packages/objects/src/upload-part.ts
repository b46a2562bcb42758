import { lostIntent } from './chunk-writer.ts';
import { openEncryption, UPLOAD_REFUSALS } from './data-keys.ts';
import { encryptionInfo } from './encryption.ts';
import { ObjectStoreError } from './errors.ts';
import { partKey } from './keys.ts';
import type { RawChecksum } from './metadata-codec.ts';
import { checkPartNumber } from './names.ts';
import type { PartResult, UploadAddress, UploadPartRequest } from './object-store.ts';
import { decodePartRecord, encodePartRecord, type PartRecord, partInfo } from './part-record.ts';
import { NO_RELEASE, releaseBlob } from './release.ts';
import { type BodyEncryption, type StagedBody, stageBody } from './staged-body.ts';
import { commit, put, type StoreContext, unchanged } from './store-context.ts';
import { encodeUploadRecord } from './upload-record.ts';
import { findUpload, type KnownUpload, partLock } from './uploads.ts';

/** Stores a part: durable when it resolves. One of the same number is replaced. */
export async function uploadPart(
  context: StoreContext,
  request: UploadPartRequest,
): Promise<PartResult> {
  const { body, verification, partNumber } = request;
  checkPartNumber(partNumber);
  const upload = await findUpload(context, request);
  const algorithm = upload.record.checksumAlgorithm;
  const algorithms = algorithm === undefined ? [] : [algorithm];
  const encryption = await partEncryption(context, upload, request);
  const staged = await stageBody(context, { body, verification, algorithms, encryption });
  return await commitPart(context, { address: request, partNumber, upload }, staged);
}

/** How a part of the upload is sealed; undefined for an upload without encryption. */
export async function partEncryption(
  context: StoreContext,
  { record }: KnownUpload,
  request: { readonly partNumber: number; readonly customerKey?: Uint8Array },
): Promise<BodyEncryption | undefined> {
  const { partNumber, customerKey } = request;
  const opened = await openEncryption(context, record.encryption, customerKey, UPLOAD_REFUSALS);
  return opened && { ...opened, partNumber };
}

/** Where a part goes. */
export interface PartPlace {
  readonly address: UploadAddress;
  readonly partNumber: number;
  /** As it was when the body was asked for. */
  readonly upload: KnownUpload;
}

/** Commits a staged body as a part, and ends it either way. */
export async function commitPart(
  context: StoreContext,
  place: PartPlace,
  staged: StagedBody,
): Promise<PartResult> {
  let record: PartRecord | undefined;
  try {
    const lock = partLock(place.upload.uploadId, place.partNumber);
    record = await context.locks.run(lock, () => commitAttempts(context, place, staged));
  } finally {
    await staged.end(record !== undefined);
  }
  const { encryption } = staged;
  const info = partInfo(record);
  return encryption === undefined ? info : { ...info, encryption: encryptionInfo(encryption) };
}

async function commitAttempts(
  context: StoreContext,
  place: PartPlace,
  staged: StagedBody,
): Promise<PartRecord> {
  for (let attempt = 0; attempt < context.limits.commitAttempts; attempt++) {
    const record = await tryCommit(context, place, staged);
    if (record !== undefined) return record;
  }
  throw new ObjectStoreError(
    'OperationAborted',
    'A conflicting operation is in progress on this upload. Please try again.',
    { uploadId: place.address.uploadId, partNumber: place.partNumber },
  );
}

/** The part, or undefined where another write of the upload or of the part came first. */
async function tryCommit(
  context: StoreContext,
  { address, partNumber }: PartPlace,
  staged: StagedBody,
): Promise<PartRecord | undefined> {
  const upload = await findUpload(context, address);
  const key = partKey(upload.uploadId, partNumber);
  const current = await context.kv.get(key);
  const old = current === undefined ? undefined : decodePartRecord(current.value).blob;
  const nowMs = context.env.clock.nowMs();
  const release = old === undefined ? NO_RELEASE : releaseBlob(old, nowMs);
  const record = partRecord(partNumber, upload, staged, nowMs);
  // Safety: a Complete that has sealed the upload has read, or is about to read, the parts. Taking the
  // seal away changes the version that its transaction asks for, so it reads them again.
  const unsealed = encodeUploadRecord({ ...upload.record, sealed: false });
  const failed = await commit(
    context,
    [
      unchanged(upload.kvKey, upload.version),
      unchanged(key, current?.version),
      ...staged.conditions,
    ],
    [
      put(key, encodePartRecord(record)),
      ...staged.keep({ kind: 'part', uploadId: upload.uploadId }),
      ...release.operations,
      ...(upload.record.sealed ? [put(upload.kvKey, unsealed)] : []),
    ],
  );
  if (failed === undefined) {
    context.sweeper.push(release.tasks);
    return record;
  }
  if (failed > 1) throw lostIntent();
  return undefined;
}

function partRecord(
  partNumber: number,
  upload: KnownUpload,
  staged: StagedBody,
  nowMs: number,
): PartRecord {
  const { sizeBytes, md5, blob } = staged;
  const checksum = partChecksum(upload, staged);
  return { partNumber, sizeBytes, modifiedMs: nowMs, md5, checksum, blob };
}

/** By the upload's algorithm, which every part is hashed with; else what the caller said to store. */
function partChecksum(upload: KnownUpload, staged: StagedBody): RawChecksum | undefined {
  const algorithm = upload.record.checksumAlgorithm;
  const bytes = algorithm === undefined ? undefined : staged.digests.get(algorithm);
  if (algorithm === undefined || bytes === undefined) return staged.checksum;
  return { algorithm, bytes };
}
