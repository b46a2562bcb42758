import type { KnownBucket } from './buckets.ts';
import { lostIntent } from './chunk-writer.ts';
import { commitObject, type LostCondition } from './commit-object.ts';
import { checkWriteConditions } from './conditions.ts';
import { newEncryption } from './data-keys.ts';
import { encryptionInfo } from './encryption.ts';
import type { ChangeName } from './journal/object-change.ts';
import type { JudgedWrite } from './judged-write.ts';
import { objectKvKey } from './keys.ts';
import { readRecord } from './latest-version.ts';
import { checkMetadata, checkObjectKey } from './names.ts';
import {
  etagOf,
  type ObjectRecord,
  storedChecksumOf,
  validatorsOf,
  versionIdText,
} from './object-record.ts';
import type {
  ObjectAddress,
  ObjectConditions,
  ObjectMetadata,
  PutObjectRequest,
  PutObjectResult,
} from './object-store.ts';
import { conditionsOf, resealed, type StagedBody, stageBody } from './staged-body.ts';
import type { StoreContext } from './store-context.ts';

/** Stores an object: durable, and seen by every later read, when it resolves. */
export async function putObject(
  context: StoreContext,
  request: PutObjectRequest,
): Promise<PutObjectResult> {
  checkObjectKey(request.key);
  checkMetadata(request.metadata);
  const checking = checkEarly(context, request);
  if (checking !== undefined) await checking;
  const { body, verification } = request;
  const opened = request.encryption && (await newEncryption(context, request.encryption));
  const encryption = opened && { ...opened, partNumber: 0 };
  const staged = await stageBody(context, {
    body,
    verification,
    encryption,
    commitsOnlyChunk: true,
  });
  return await commitStaged(context, request, staged, request.event ?? 'ObjectCreated:Put');
}

interface ConditionalAddress extends ObjectAddress {
  readonly conditions?: ObjectConditions | undefined;
}

/**
 * Refuses before the body is read what would be refused at the commit anyway: an unknown bucket, or
 * conditions that do not hold now. undefined where there is nothing to ask the KvStore.
 */
export function checkEarly(
  context: StoreContext,
  request: ConditionalAddress,
): Promise<void> | undefined {
  const bucket = context.buckets.known(request.bucket);
  const isAsked = request.conditions !== undefined || bucket instanceof Promise;
  return isAsked ? judgeEarly(context, request, bucket) : undefined;
}

async function judgeEarly(
  context: StoreContext,
  { bucket, key, conditions }: ConditionalAddress,
  known: KnownBucket | Promise<KnownBucket>,
): Promise<void> {
  const { bucketId } = (await known).record;
  if (conditions === undefined) return;
  const current = await readRecord(context.kv, objectKvKey(bucketId, key));
  if (current === undefined) await context.buckets.fresh(bucket);
  checkWriteConditions(conditions, validatorsOf(current?.record), key);
}

/** Commits a staged body as an object, and ends it either way. */
export async function commitStaged(
  context: StoreContext,
  request: ObjectAddress &
    JudgedWrite & {
      readonly metadata: ObjectMetadata;
      readonly conditions?: ObjectConditions | undefined;
    },
  staged: StagedBody,
  event: ChangeName,
): Promise<PutObjectResult> {
  const { bucket, key, metadata, conditions, bucketVersion } = request;
  const commit = (body: StagedBody): Promise<ObjectRecord | LostCondition> =>
    commitObject(context, {
      event,
      bucket,
      key,
      bucketVersion,
      check: (current) => {
        if (conditions !== undefined) checkWriteConditions(conditions, validatorsOf(current), key);
      },
      record: (nowMs) => plainRecord(body, metadata, nowMs),
      conditions: conditionsOf(body),
      carriesChunk: body.carriesChunk,
      operations: ({ record: { bucketId } }) => body.keep({ kind: 'object', bucketId, key }),
    });
  let written: ObjectRecord | undefined;
  try {
    let body = staged;
    for (;;) {
      const outcome = await commit(body);
      if (!('lost' in outcome)) {
        written = outcome;
        break;
      }
      if (outcome.lost !== body.stillSeals) throw lostIntent();
      body = await resealed(context, body);
    }
  } finally {
    const ending = staged.end(written !== undefined);
    if (ending !== undefined) await ending;
  }
  const { sizeBytes, modifiedMs, version, encryption } = written;
  return {
    etag: etagOf(written),
    sizeBytes,
    modifiedMs,
    checksum: storedChecksumOf(written),
    versionId: version && versionIdText(version),
    tagging: written.metadata.tagging,
    encryption: encryption && encryptionInfo(encryption),
  };
}

/** The record of an object that was put whole. */
export function plainRecord(
  staged: StagedBody,
  metadata: ObjectMetadata,
  nowMs: number,
): ObjectRecord {
  const { sizeBytes, md5, checksum, blob, encryption } = staged;
  return {
    sizeBytes,
    modifiedMs: nowMs,
    md5,
    partCount: 0,
    checksum: checksum && {
      algorithm: checksum.algorithm,
      bytes: checksum.bytes,
      type: 'full-object',
    },
    body: blob === undefined ? { kind: 'empty' } : { kind: 'blob', blob },
    metadata,
    encryption,
  };
}
