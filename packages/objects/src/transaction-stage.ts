import { toHex } from '@holdfast/bytes';
import type { Condition } from '@holdfast/kv';
import type { KnownBucket } from './buckets.ts';
import { checkWriteConditions } from './conditions.ts';
import { metadataOfCopy, openSource, stageCopy } from './copy-object.ts';
import { newEncryption } from './data-keys.ts';
import { ObjectStoreError } from './errors.ts';
import { deleteChange, type KeyChange, writeChange } from './key-changes.ts';
import { type LatestVersion, readLatest } from './latest-version.ts';
import { keyFingerprint } from './local-keys.ts';
import { checkMetadata, checkObjectKey } from './names.ts';
import { etagOf, validatorsOf } from './object-record.ts';
import type { ObjectInfo, ObjectMetadata, ObjectReader } from './object-store.ts';
import { plainRecord } from './put-object.ts';
import { conditionsOf, type StagedBody, stageBody } from './staged-body.ts';
import type { StoreContext } from './store-context.ts';
import type { TransactionOperation } from './transaction-request.ts';
import { isVersioned } from './versioning.ts';

/** A larger body is written ahead in chunks, however much may go into the transaction. */
const INLINE_BODY_BYTES = 16 * 1024;

/** What is left for bodies that go into the transaction itself. */
export interface InlineBudget {
  bytes: number;
}

/** An operation whose bytes are at hand, or written ahead. */
export interface StagedOperation {
  readonly op: TransactionOperation['op'];
  readonly key: string;
  /** Its place in the transaction, from 0. */
  readonly index: number;
  /** All that was asked, to tell a retry from another request. */
  readonly asked: string;
  /** Hold while what was written ahead is there. */
  readonly bodyConditions: readonly Condition[];
  /**
   * What is to be done to the key as it is, and that it is so still. Throws where the conditions of the operation do
   * not hold for it.
   */
  change(bucket: KnownBucket, latest: LatestVersion): Promise<KeyChange>;
  /** Called once. */
  end(committed: boolean): Promise<void>;
}

interface Place {
  readonly bucket: string;
  readonly operation: TransactionOperation;
  readonly index: number;
  /** Whether the transaction may be a retry. */
  readonly hasToken: boolean;
}

/** Reads the operation's body to its end. Where it rejects, nothing of it is kept. */
export async function stageOperation(
  context: StoreContext,
  place: Place,
  budget: InlineBudget,
): Promise<StagedOperation> {
  const { operation } = place;
  const { op, key } = operation;
  checkObjectKey(key);
  const none = withoutBody(place);
  switch (operation.op) {
    case 'check': {
      const { conditions } = operation;
      return {
        ...none,
        asked: JSON.stringify([op, key, conditions]),
        change: async (_bucket, latest) => {
          checkWriteConditions(conditions, validatorsOf(latest.object?.record), key);
          return nothing(latest);
        },
      };
    }
    case 'delete': {
      const { conditions } = operation;
      return {
        ...none,
        asked: JSON.stringify([op, key, conditions]),
        change: async (bucket, latest) => {
          const current = latest.object ?? latest.marker;
          checkWriteConditions(conditions, validatorsOf(latest.object?.record), key);
          if (current === undefined && !isVersioned(bucket.record)) {
            return nothing(latest);
          }
          return await deleteChange(context, bucket, key, latest);
        },
      };
    }
    case 'put':
      return await stagePut(context, place, operation, budget);
    case 'copy':
      return await stageSource(context, place, operation, budget);
  }
}

/** No change; but what was judged must still be so. */
function nothing({ conditions }: LatestVersion): KeyChange {
  return { conditions, operations: [], tasks: [], record: undefined };
}

async function stagePut(
  context: StoreContext,
  place: Place,
  put: TransactionOperation & { readonly op: 'put' },
  budget: InlineBudget,
): Promise<StagedOperation> {
  const { op, key, body, verification, metadata, conditions } = put;
  checkMetadata(metadata);
  const opened = await newEncryption(context, put.encryption);
  const encryption = opened && { ...opened, partNumber: 0 };
  const staged = await stageBody(withBudget(context, budget), { body, verification, encryption });
  // Not the record's: an encrypted one has another each time.
  const plainMd5 = toHex(staged.digests.get('md5') as Uint8Array);
  const request = [op, key, conditions, plainMd5, metadata];
  const asked = JSON.stringify([...request, ...besides(context, put)]);
  return stagedWrite(context, place, staged, { asked, metadata, conditions, budget });
}

async function stageSource(
  context: StoreContext,
  place: Place,
  operation: TransactionOperation & { readonly op: 'copy' },
  budget: InlineBudget,
): Promise<StagedOperation> {
  const { op, key, source, sourceConditions, conditions, metadata, tagging, access, own } =
    operation;
  if (metadata !== undefined) checkMetadata(metadata);
  // Not what was found at the source: a retry finds another there, or nothing, and is the same request.
  const request = [op, key, conditions, source, sourceConditions, metadata, tagging, access, own];
  const asked = JSON.stringify([...request, ...besides(context, operation)]);
  let reader: ObjectReader;
  try {
    reader = await openSource(context, {
      ...source,
      conditions: sourceConditions,
      customerKey: operation.sourceCustomerKey,
      mayCopyTags: operation.mayCopyTags,
    });
  } catch (error) {
    if (!place.hasToken || !(error instanceof ObjectStoreError)) throw error;
    return refusedUnlessDone(place, asked, error);
  }
  const { info } = reader;
  const staged = await stageCopy(withBudget(context, budget), reader, operation);
  const copied = metadataOfCopy(operation, info.metadata);
  const write = { asked, metadata: copied, conditions, budget };
  const written = stagedWrite(context, place, staged, write);
  // A version that is named has the same bytes for ever.
  if (source.versionId !== undefined) return written;
  return {
    ...written,
    change: async (bucket, latest) => {
      const unchanged = await sourceConditionsOf(context, operation, info);
      const change = await written.change(bucket, latest);
      return { ...change, conditions: [...change.conditions, ...unchanged] };
    },
  };
}

/**
 * What else tells the write from others, and nothing about a customer's key but that; empty where there is nothing. Not how it is
 * encrypted: that may be the bucket's default, which changes.
 */
function besides(
  { env }: StoreContext,
  operation: TransactionOperation & { readonly op: 'put' | 'copy' },
): readonly object[] {
  const { encryption, said } = operation;
  const key = encryption?.kind === 'customer' ? encryption.key : undefined;
  const sourceKey = operation.op === 'copy' ? operation.sourceCustomerKey : undefined;
  if (key === undefined && sourceKey === undefined && said === undefined) return [];
  return [
    {
      ...(key !== undefined && { key: keyFingerprint(env, key) }),
      ...(sourceKey !== undefined && { sourceKey: keyFingerprint(env, sourceKey) }),
      ...(said !== undefined && { said }),
    },
  ];
}

/** Of a request with a token, which may have been done: its own transaction may have taken the source away. */
function refusedUnlessDone(
  place: Place,
  asked: string,
  refusal: ObjectStoreError,
): StagedOperation {
  return { ...withoutBody(place), asked, change: () => Promise.reject(refusal) };
}

function withoutBody({
  operation: { op, key },
  index,
}: Place): Omit<StagedOperation, 'asked' | 'change'> {
  return { op, key, index, bodyConditions: [], end: async () => {} };
}

/** Hold while the source is what was copied. ConditionalRequestConflict where it is not any more. */
async function sourceConditionsOf(
  context: StoreContext,
  operation: TransactionOperation & { readonly op: 'copy' },
  copied: ObjectInfo,
): Promise<readonly Condition[]> {
  const bucket = await context.buckets.fresh(copied.bucket);
  const { object, conditions } = await readLatest(context.kv, bucket, copied.key);
  const taken = (of: ObjectMetadata): string => JSON.stringify(metadataOfCopy(operation, of));
  const same =
    object !== undefined &&
    object.record.modifiedMs === copied.modifiedMs &&
    etagOf(object.record) === copied.etag &&
    // Tags change without a new ETag or time.
    taken(object.record.metadata) === taken(copied.metadata);
  if (same) return conditions;
  throw new ObjectStoreError(
    'ConditionalRequestConflict',
    'The source of a copy was changed during the transaction. Try again.',
    { key: copied.key },
  );
}

function stagedWrite(
  context: StoreContext,
  { operation: { op, key }, index }: Place,
  staged: StagedBody,
  write: {
    readonly asked: string;
    readonly metadata: ObjectMetadata;
    readonly conditions: TransactionOperation['conditions'];
    readonly budget: InlineBudget;
  },
): StagedOperation {
  const { asked, metadata, conditions, budget } = write;
  if (staged.conditions.length === 0) budget.bytes -= staged.sizeBytes;
  return {
    op,
    key,
    index,
    asked,
    bodyConditions: conditionsOf(staged),
    change: async (bucket, latest) => {
      checkWriteConditions(conditions, validatorsOf(latest.object?.record), key);
      const given = plainRecord(staged, metadata, context.env.clock.nowMs());
      const change = await writeChange(context, bucket, key, latest, given);
      const { bucketId } = bucket.record;
      const kept = staged.keep({ kind: 'object', bucketId, key });
      return { ...change, operations: [...change.operations, ...kept] };
    },
    end: async (committed) => staged.end(committed),
  };
}

/** Small bodies go into the transaction while there is room in it. */
function withBudget(context: StoreContext, { bytes }: InlineBudget): StoreContext {
  const inlineSizeBytes = Math.min(INLINE_BODY_BYTES, bytes, context.limits.inlineSizeBytes);
  return { ...context, limits: { ...context.limits, inlineSizeBytes } };
}
