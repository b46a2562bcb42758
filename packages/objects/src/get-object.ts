import { equalBytes } from '@holdfast/bytes';
import type { KvReader, ReadView } from '@holdfast/kv';
import { type ByteSpan, resolveRange } from './byte-range.ts';
import { ChunkStream } from './chunk-stream.ts';
import { checkReadConditions, noSuchKey, type Validators } from './conditions.ts';
import { ObjectStoreError } from './errors.ts';
import { chunkKey } from './keys.ts';
import { Lane } from './lane.ts';
import { findPart } from './manifest.ts';
import { checkObjectKey, checkPartNumber } from './names.ts';
import { type ObjectRecord, objectInfo, validatorsOf } from './object-record.ts';
import type { ObjectInfo, ObjectReader, ReadObjectRequest } from './object-store.ts';
import { readObject, type StoreContext, type VersionedObject } from './store-context.ts';
import { ViewPin } from './view-pin.ts';

/** How conditions are judged: as a read's, or as those of a copy's source. */
type ConditionCheck = (conditions: ReadObjectRequest['conditions'], current: Validators) => void;

export async function headObject(
  context: StoreContext,
  request: ReadObjectRequest,
): Promise<ObjectInfo> {
  const found = await findObject(context, request);
  checkReadConditions(request.conditions, validatorsOf(found.record));
  await spanOf(context.kv, found.record, request);
  return objectInfo(request.bucket, request.key, found.record);
}

/**
 * Opens an object for reading. A small one is read at once, with two look-ups; a large one is read from
 * a view, so that the bytes are of one version whatever is written meanwhile.
 */
export async function getObject(
  context: StoreContext,
  request: ReadObjectRequest,
  check: ConditionCheck = checkReadConditions,
): Promise<ObjectReader> {
  const { record } = await findObject(context, request);
  check(request.conditions, validatorsOf(record));
  const span = await spanOf(context.kv, record, request);
  const bytes = await smallBody(context, record);
  // Where a small object's chunk is gone, it was overwritten between the look-ups; a view tells.
  if (bytes === undefined) return await openOnView(context, request, check);
  const immediate = bytes.subarray(span.offset, span.offset + span.length);
  return {
    info: objectInfo(request.bucket, request.key, record),
    ...span,
    immediate,
    body: onePiece(immediate),
    close: () => {},
  };
}

/** The whole body, if it has at most one small chunk and that is there. */
async function smallBody(
  context: StoreContext,
  { body, sizeBytes }: ObjectRecord,
): Promise<Uint8Array | undefined> {
  if (body.kind === 'empty') return new Uint8Array(0);
  if (body.kind !== 'blob' || sizeBytes > context.limits.inlineSizeBytes) return undefined;
  if (sizeBytes > body.blob.chunkSizeBytes) return undefined;
  return (await context.kv.get(chunkKey(body.blob.blobId, 0)))?.value;
}

async function openOnView(
  context: StoreContext,
  request: ReadObjectRequest,
  check: ConditionCheck,
): Promise<ObjectReader> {
  const maxAgeMs = context.limits.readViewAgeMs;
  const lane = await Lane.open(context.readBuffers);
  let view: ReadView | undefined;
  try {
    view = await context.kv.readView({ maxAgeMs });
    const { record, version, bucketId } = await findObject(context, request, view);
    check(request.conditions, validatorsOf(record));
    const span = await spanOf(view, record, request);
    const stillThere = async (later: ReadView): Promise<boolean> =>
      (await readObject(later, bucketId, request.key))?.version === version;
    const pin = new ViewPin(context.kv, view, { maxAgeMs, stillThere });
    const stream = new ChunkStream({ pin, body: record.body, span, lane });
    return {
      info: objectInfo(request.bucket, request.key, record),
      ...span,
      immediate: undefined,
      body: stream,
      close: () => stream.close(),
    };
  } catch (error) {
    view?.close();
    lane.close();
    throw error;
  }
}

/** The object as the store, or a view of it, has it. NoSuchBucket, NoSuchKey. */
async function findObject(
  context: StoreContext,
  request: Pick<ReadObjectRequest, 'bucket' | 'key'>,
  reader: KvReader = context.kv,
): Promise<VersionedObject & { readonly bucketId: Uint8Array }> {
  checkObjectKey(request.key);
  const { bucketId } = (await context.buckets.known(request.bucket)).record;
  const found = await readObject(reader, bucketId, request.key);
  if (found !== undefined) return { ...found, bucketId };
  const fresh = (await context.buckets.fresh(request.bucket)).record.bucketId;
  const again = equalBytes(fresh, bucketId)
    ? undefined
    : await readObject(reader, fresh, request.key);
  if (again === undefined) throw noSuchKey(request.key);
  return { ...again, bucketId: fresh };
}

/** What the range or part number of a request selects. */
async function spanOf(
  reader: KvReader,
  record: ObjectRecord,
  request: ReadObjectRequest,
): Promise<ByteSpan> {
  const { partNumber } = request;
  if (partNumber === undefined) return resolveRange(request.range, record.sizeBytes);
  checkPartNumber(partNumber);
  const { body } = record;
  const part =
    body.kind === 'parts'
      ? await findPart(reader, body, partNumber)
      : partNumber === 1
        ? { offset: 0, length: record.sizeBytes }
        : undefined;
  if (part !== undefined) return part;
  throw new ObjectStoreError('InvalidPart', 'The requested part is not there.', { partNumber });
}

async function* onePiece(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  if (bytes.length > 0) yield bytes;
}
