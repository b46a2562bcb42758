import type { KvReader, ReadView } from '@holdfast/kv';
import { type ByteSpan, resolveRange } from './byte-range.ts';
import { chunkSeals } from './chunk-seals.ts';
import { ChunkStream, doesNotOpen } from './chunk-stream.ts';
import { checkReadConditions, type Validators } from './conditions.ts';
import {
  checkCustomerKey,
  OBJECT_REFUSALS,
  type OpenEncryption,
  openEncryption,
} from './data-keys.ts';
import { ObjectStoreError } from './errors.ts';
import { type FoundObject, findObject, infoOf } from './find-object.ts';
import { findVersionIn, haveSameBody } from './find-version.ts';
import { chunkKey } from './keys.ts';
import { Lane } from './lane.ts';
import { findPart } from './manifest.ts';
import { checkPartNumber } from './names.ts';
import { type ObjectRecord, validatorsOf } from './object-record.ts';
import type {
  HeadObjectRequest,
  ObjectInfo,
  ObjectReader,
  PartInfo,
  ReadObjectRequest,
} from './object-store.ts';
import { partInfo } from './part-record.ts';
import { rangeHolds } from './range-validator.ts';
import type { StoreContext } from './store-context.ts';
import { isNullVersion, sortId } from './version-id.ts';
import { ViewPin } from './view-pin.ts';

/** How conditions are judged: as a read's, or as those of a copy's source. */
type ConditionCheck = (conditions: ReadObjectRequest['conditions'], current: Validators) => void;

export async function headObject(
  context: StoreContext,
  request: HeadObjectRequest,
): Promise<ObjectInfo> {
  const found = await findObject(context, request);
  if (!asksManifest(found.record, request)) return await headOf(context, request, found);
  const view = await context.kv.readView({ maxAgeMs: context.limits.readViewAgeMs });
  try {
    return await headOf(context, request, await findObject(context, request, view), view);
  } finally {
    view.close();
  }
}

async function headOf(
  context: StoreContext,
  request: HeadObjectRequest,
  found: FoundObject,
  reader: KvReader = context.kv,
): Promise<ObjectInfo> {
  checkReadConditions(request.conditions, validatorsOf(found.record));
  await spanOf(reader, found.record, request);
  if (request.anyKey !== true) {
    checkCustomerKey(context, found.record.encryption, request.customerKey, OBJECT_REFUSALS);
  }
  return infoOf(request, found);
}

/** Whether it is to be read on a view: beside it the manifest may be swept, with the object that it is of. */
function asksManifest({ body }: ObjectRecord, { partNumber }: ReadObjectRequest): boolean {
  return body.kind === 'parts' && partNumber !== undefined;
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
  const found = await findObject(context, request);
  const { record } = found;
  check(request.conditions, validatorsOf(record));
  if (asksManifest(record, request)) return await openOnView(context, record, request, check);
  const span = await spanOf(context.kv, record, request);
  const opening = openFor(context, record, request);
  const encryption = opening && (await opening);
  const bytes = await smallBody(context, record, encryption);
  // Where a small object's chunk is gone, it was overwritten between the look-ups; a view tells.
  if (bytes === undefined) return await openOnView(context, record, request, check);
  return new WholeReader(infoOf(request, found), span, bytes);
}

function openFor(
  context: StoreContext,
  { encryption }: ObjectRecord,
  { customerKey }: ReadObjectRequest,
): Promise<OpenEncryption | undefined> | undefined {
  // Why not asked: a read of what is not encrypted waits for nothing.
  if (encryption === undefined && customerKey === undefined) return undefined;
  return openEncryption(context, encryption, customerKey, OBJECT_REFUSALS);
}

/** The whole body, if it has at most one small chunk and that is there. */
async function smallBody(
  context: StoreContext,
  { body, sizeBytes }: ObjectRecord,
  encryption: OpenEncryption | undefined,
): Promise<Uint8Array | undefined> {
  if (body.kind === 'empty') return new Uint8Array(0);
  if (body.kind !== 'blob' || sizeBytes > context.limits.inlineSizeBytes) return undefined;
  if (sizeBytes > body.blob.chunkSizeBytes) return undefined;
  const { blobId } = body.blob;
  const chunk = (await context.kv.get(chunkKey(blobId, 0)))?.value;
  if (chunk === undefined || encryption === undefined) return chunk;
  const { ciphers } = context.env;
  const seal = chunkSeals(ciphers, encryption.dataKey, { blobId, partNumber: 0 })(0, true);
  const plain = ciphers.open(seal, chunk);
  if (plain === undefined) throw doesNotOpen(blobId);
  return plain;
}

/** `known`: the object as it was found a moment ago. */
async function openOnView(
  context: StoreContext,
  known: ObjectRecord,
  request: ReadObjectRequest,
  check: ConditionCheck,
): Promise<ObjectReader> {
  const maxAgeMs = context.limits.readViewAgeMs;
  const { readBuffers, sharedReadBuffers } = context;
  const lane = await Lane.open(known.encryption === undefined ? readBuffers : sharedReadBuffers);
  let view: ReadView | undefined;
  try {
    view = await context.kv.readView({ maxAgeMs });
    const found = await findObject(context, request, view);
    const { record, bucket } = found;
    check(request.conditions, validatorsOf(record));
    const span = await spanOf(view, record, request);
    const opened = await openFor(context, record, request);
    const name = isNullVersion(record.version) ? 'null' : sortId(record);
    const stillThere = async (later: ReadView): Promise<boolean> => {
      const again = await findVersionIn(later, bucket.record.bucketId, request.key, name);
      return again !== undefined && haveSameBody(again.record, record);
    };
    const pin = new ViewPin(context.kv, view, { maxAgeMs, stillThere });
    const { ciphers } = context.env;
    const encryption = opened && { ciphers, dataKey: opened.dataKey };
    const stream = new ChunkStream({ pin, body: record.body, span, lane, encryption });
    return {
      info: infoOf(request, found),
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

interface SelectedSpan extends ByteSpan {
  readonly part: PartInfo | undefined;
}

/** What the range or part number of a request selects. */
async function spanOf(
  reader: KvReader,
  record: ObjectRecord,
  request: ReadObjectRequest,
): Promise<SelectedSpan> {
  const { partNumber } = request;
  if (partNumber === undefined) {
    const { ifRange } = request;
    const holds = ifRange === undefined || rangeHolds(ifRange, validatorsOf(record));
    const { offset, length } = resolveRange(holds ? request.range : undefined, record.sizeBytes);
    return { offset, length, part: undefined };
  }
  checkPartNumber(partNumber);
  const { body } = record;
  const part =
    body.kind === 'parts'
      ? await findPart(reader, body, partNumber)
      : partNumber === 1
        ? { offset: 0, length: record.sizeBytes, part: undefined }
        : undefined;
  if (part !== undefined) return { ...part, part: part.part && partInfo(part.part) };
  throw new ObjectStoreError('InvalidPartNumber', 'The requested partnumber is not satisfiable', {
    partNumber,
    partCount: Math.max(record.partCount, 1),
  });
}

/** An object that is in memory as a whole. */
class WholeReader implements ObjectReader {
  readonly info: ObjectInfo;
  readonly offset: number;
  readonly length: number;
  readonly part: PartInfo | undefined;
  readonly immediate: Uint8Array;

  constructor(info: ObjectInfo, { offset, length, part }: SelectedSpan, bytes: Uint8Array) {
    this.info = info;
    this.offset = offset;
    this.length = length;
    this.part = part;
    this.immediate = length === bytes.length ? bytes : bytes.subarray(offset, offset + length);
  }

  /** Why made when it is asked for: who takes `immediate` iterates nothing. */
  get body(): AsyncIterable<Uint8Array> {
    return onePiece(this.immediate);
  }

  close(): void {}
}

async function* onePiece(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  if (bytes.length > 0) yield bytes;
}
