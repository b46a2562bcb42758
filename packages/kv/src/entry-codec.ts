import type { BodyChecksum } from '@holdfast/bytes';
import { ByteReader, ByteWriter, MalformedBytesError, NewerBytesError } from '@holdfast/bytes';
import { INLINE_VALUE_LIMIT_BYTES } from './index-record.ts';
import { isUserKey, USER_SPACE } from './key-space.ts';
import type { Condition, Operation, Transaction } from './kv-store.ts';
import { KEY_SIZE_LIMIT_BYTES, VALUE_SIZE_LIMIT_BYTES } from './limits.ts';
import type { Slab } from './slab.ts';
import { STAMP_SIZE_BYTES } from './stamped-key.ts';

/**
 * A transaction as one record of the wal: the structure and small values in the head, which replay reads;
 * large values in the body, which it does not. `docs/formats/kv-entry.md` has the byte tables.
 */

/** The wal record kind of a transaction. */
export const KV_ENTRY_KIND = 1;
/** The highest kind that a record of any log of this Holdfast has; what the others are is in `docs/formats/replica.md`. */
export const NEWEST_ENTRY_KIND = 7;

/** 2 where the transaction appends, which an older Holdfast cannot; else 1. */
const FORMAT_VERSION = 1;
const APPENDING_FORMAT_VERSION = 2;
const FLAG_SESSION = 0x01;

const CONDITION_KINDS: readonly Condition['kind'][] = ['exists', 'absent', 'versionEquals'];
const OP_DELETE = 0;
const OP_PUT_INLINE = 1;
const OP_PUT_BODY = 2;
const OP_APPEND = 3;
/** What an operation adds to its key and small value, at most. */
const PART_SIZE_BYTES = 20;

/** A transaction's bytes, ready for the wal. */
export interface EncodedEntry {
  readonly head: Uint8Array;
  /** The caller's own value arrays, not copied. */
  readonly body: readonly Uint8Array[];
  readonly bodySizeBytes: number;
  /** Checksum of the whole body where it was computed anyway: where it is one value. */
  readonly bodyCrc: number | undefined;
}

/** A decoded head. Keys are internal ones; they and the values share memory with the head. */
export interface KvEntryRecord {
  readonly session: Transaction['session'];
  readonly conditions: readonly Condition[];
  readonly operations: readonly EntryOperation[];
}

export type EntryOperation =
  | { readonly kind: 'delete'; readonly key: Uint8Array }
  | { readonly kind: 'putInline'; readonly key: Uint8Array; readonly value: Uint8Array }
  | {
      /** Becomes a `putInline` when the revision is known. */
      readonly kind: 'append';
      readonly key: Uint8Array;
      readonly suffix: Uint8Array;
      readonly value: Uint8Array;
    }
  | {
      readonly kind: 'putBody';
      readonly key: Uint8Array;
      /** Offset in the record's body. */
      readonly offset: number;
      readonly length: number;
      readonly crc: number;
    };

/** Heads up to this share buffers. */
const SHARED_HEAD_BYTES = 4096;

/** Encodes a checked transaction with public keys. A small head is a piece of `slab`, where there is one. */
export function encodeEntry(
  transaction: Transaction,
  bodyChecksum: BodyChecksum,
  slab?: Slab,
): EncodedEntry {
  const { session, conditions = [], operations } = transaction;
  const bound = headSizeBound(transaction);
  const shares = slab !== undefined && bound <= SHARED_HEAD_BYTES;
  const writer = new ByteWriter(shares ? slab.take(bound) : bound);
  const appends = operations.some(({ kind }) => kind === 'append');
  writer
    .u8(appends ? APPENDING_FORMAT_VERSION : FORMAT_VERSION)
    .u8(session === undefined ? 0 : FLAG_SESSION);
  if (session !== undefined) writer.text(session.clientId).varint(session.sequence);
  writer.varint(conditions.length);
  for (const condition of conditions) {
    writer.u8(CONDITION_KINDS.indexOf(condition.kind));
    writeKey(writer, condition.key);
    if (condition.kind === 'versionEquals') writer.varint(condition.version);
  }
  writer.varint(operations.length);
  const body: Uint8Array[] = [];
  let bodySizeBytes = 0;
  let lastCrc: number | undefined;
  for (const operation of operations) {
    if (operation.kind !== 'put' || operation.value.length <= INLINE_VALUE_LIMIT_BYTES) {
      writeSmall(writer, operation);
      continue;
    }
    const { key, value, crc } = operation;
    writeKey(writer.u8(OP_PUT_BODY), key);
    lastCrc = crc ?? bodyChecksum.of([value]);
    writer.varint(bodySizeBytes).varint(value.length).u32(lastCrc);
    body.push(value);
    bodySizeBytes += value.length;
  }
  const bodyCrc = body.length === 1 ? lastCrc : undefined;
  return { head: writer.finish(), body, bodySizeBytes, bodyCrc };
}

function writeSmall(writer: ByteWriter, operation: Operation): void {
  if (operation.kind === 'delete') writeKey(writer.u8(OP_DELETE), operation.key);
  else if (operation.kind === 'append') {
    writeKey(writer.u8(OP_APPEND), operation.key).sized(operation.suffix).sized(operation.value);
  } else writeKey(writer.u8(OP_PUT_INLINE), operation.key).sized(operation.value);
}

/** The internal key of a user's key. */
function writeKey(writer: ByteWriter, key: Uint8Array): ByteWriter {
  return writer
    .varint(key.length + 1)
    .u8(USER_SPACE)
    .bytes(key);
}

/** The head's size or somewhat more, session and conditions aside: the writer grows for them where it must. */
function headSizeBound({ operations }: Transaction): number {
  let sizeBytes = 256;
  for (const operation of operations) {
    sizeBytes += operation.key.length + PART_SIZE_BYTES;
    if (operation.kind === 'delete') continue;
    if (operation.value.length <= INLINE_VALUE_LIMIT_BYTES) sizeBytes += operation.value.length;
    if (operation.kind === 'append') sizeBytes += operation.suffix.length;
  }
  return sizeBytes;
}

/**
 * Decodes a head. Strict: an unknown version, flag or kind, a key or value out of its limits, body values
 * that leave a gap or pass `bodySizeBytes`, and bytes left over are MalformedBytesErrors.
 */
export function decodeEntry(head: Uint8Array, bodySizeBytes: number): KvEntryRecord {
  const reader = new ByteReader(head);
  const version = reader.u8();
  if (version > APPENDING_FORMAT_VERSION) {
    throw new NewerBytesError('kv entry of format', version, APPENDING_FORMAT_VERSION);
  }
  if (version < FORMAT_VERSION) throw new MalformedBytesError(`kv entry of format ${version}`);
  const flags = reader.u8();
  if ((flags & ~FLAG_SESSION) !== 0) throw new MalformedBytesError(`unknown flags ${flags}`);
  const session = flags === 0 ? undefined : { clientId: reader.text(), sequence: reader.varint() };
  const conditions = readList(reader, readCondition);
  let bodyOffset = 0;
  const operations = readList(reader, () => {
    const operation = readOperation(reader, version);
    if (operation.kind === 'putBody') {
      if (operation.offset !== bodyOffset) {
        throw new MalformedBytesError(`body value at ${operation.offset}, not at ${bodyOffset}`);
      }
      bodyOffset += operation.length;
    }
    return operation;
  });
  if (bodyOffset !== bodySizeBytes) {
    throw new MalformedBytesError(`values of ${bodyOffset} bytes in a body of ${bodySizeBytes}`);
  }
  if (reader.remaining !== 0) throw new MalformedBytesError(`${reader.remaining} bytes left over`);
  return { session, conditions, operations };
}

function readList<Item>(reader: ByteReader, readItem: (reader: ByteReader) => Item): Item[] {
  const count = reader.varint();
  // Safety: an item has at least three bytes, so a count that cannot be is refused before it costs.
  if (count > reader.remaining / 3) throw new MalformedBytesError(`a list of ${count} items`);
  const items: Item[] = [];
  for (let position = 0; position < count; position++) items.push(readItem(reader));
  return items;
}

function readCondition(reader: ByteReader): Condition {
  const code = reader.u8();
  const kind = CONDITION_KINDS[code];
  const key = readKey(reader);
  if (kind === undefined) throw new MalformedBytesError(`unknown condition kind ${code}`);
  return kind === 'versionEquals' ? { kind, key, version: reader.varint() } : { kind, key };
}

function readOperation(reader: ByteReader, version: number): EntryOperation {
  const code = reader.u8();
  const key = readKey(reader);
  if (code === OP_DELETE) return { kind: 'delete', key };
  if (code === OP_PUT_INLINE) return { kind: 'putInline', key, value: readInline(reader) };
  if (code === OP_APPEND && version === APPENDING_FORMAT_VERSION) {
    const suffix = reader.sized();
    if (key.length + STAMP_SIZE_BYTES + suffix.length > KEY_SIZE_LIMIT_BYTES + 1) {
      throw new MalformedBytesError(`an appended key of ${key.length} and ${suffix.length} bytes`);
    }
    return { kind: 'append', key, suffix, value: readInline(reader) };
  }
  if (code !== OP_PUT_BODY) throw new MalformedBytesError(`unknown operation kind ${code}`);
  const offset = reader.varint();
  const length = reader.varint();
  if (length <= INLINE_VALUE_LIMIT_BYTES || length > VALUE_SIZE_LIMIT_BYTES) {
    throw new MalformedBytesError(`a body value of ${length} bytes`);
  }
  return { kind: 'putBody', key, offset, length, crc: reader.u32() };
}

function readInline(reader: ByteReader): Uint8Array {
  const value = reader.sized();
  if (value.length > INLINE_VALUE_LIMIT_BYTES) {
    throw new MalformedBytesError(`an inline value of ${value.length} bytes`);
  }
  return value;
}

function readKey(reader: ByteReader): Uint8Array {
  const key = reader.sized();
  if (!isUserKey(key) || key.length > KEY_SIZE_LIMIT_BYTES + 1) {
    throw new MalformedBytesError(`not the internal key of a user: ${key.length} bytes`);
  }
  return key;
}
