import type { Crc32c } from '@holdfast/bytes';
import { ByteReader, ByteWriter, MalformedBytesError } from '@holdfast/bytes';
import type { WalIdentity } from '@holdfast/wal';
import type { ExtentListing } from './extent-format.ts';
import type { TableListing } from './sorted-table.ts';
import { checksumHolds, withChecksum } from './table-block.ts';

/** `docs/formats/manifest.md` has the byte tables. */
export const MANIFEST_FORMAT_VERSION = 1;

const RECORD_MAGIC = 0x4d4b_4648; // "HFKM"
const RECORD_HEADER_SIZE_BYTES = 16;
const RECORD_OVERHEAD_BYTES: number = RECORD_HEADER_SIZE_BYTES + 4;
/**
 * Records begin at multiples of this. Safety: a crash may garble whole sectors of the write in flight, so
 * no sector may hold a committed record and part of the next.
 */
export const RECORD_ALIGNMENT_BYTES = 4096;
export const KIND_IDENTITY = 0;
const KIND_EDIT = 1;

/** One step from a state of the index's files to the next. */
export interface ManifestEdit {
  /** The tables hold the state up to this log index. */
  readonly appliedIndex: number;
  /** Greater than the id of every table and extent file there ever was. */
  readonly nextTableId: number;
  readonly removed: readonly number[];
  /** Newest first. They take the place of the removed ones, or come before all where none is. */
  readonly added: readonly TableListing[];
  /** Live bytes of the segments whose number changed; 0 where none are left. */
  readonly liveBytes: ReadonlyMap<number, number>;
  /** Extent files that are gone. Default none. */
  readonly removedExtents?: readonly number[];
  /** Extent files that are there from now on. Default none. */
  readonly addedExtents?: readonly ExtentListing[];
  /** Where the log begins, if that is new with this edit. Default: where it did. */
  readonly logStart?: LogStart | undefined;
}

/** A record that this node's log never had: the tables came from another node, and the log goes on behind it. */
export interface LogStart {
  readonly index: number;
  readonly term: number;
}

/** The sum of all edits. */
export interface ManifestState {
  readonly appliedIndex: number;
  readonly nextTableId: number;
  /** Newest first. */
  readonly tables: readonly TableListing[];
  readonly liveBytes: ReadonlyMap<number, number>;
  /** In the order in which they were made. */
  readonly extentFiles: readonly ExtentListing[];
  /** The newest there was; see `completeInstall`. */
  readonly logStart: LogStart | undefined;
}

export const EMPTY_MANIFEST_STATE: ManifestState = {
  appliedIndex: 0,
  nextTableId: 1,
  tables: [],
  liveBytes: new Map(),
  extentFiles: [],
  logStart: undefined,
};

/** The state after an edit. Throws a MalformedBytesError where the edit does not fit. */
export function applyEdit(state: ManifestState, edit: ManifestEdit): ManifestState {
  const removed = new Set(edit.removed);
  const first = state.tables.findIndex((table) => removed.has(table.tableId));
  const kept = state.tables.filter((table) => !removed.has(table.tableId));
  if (kept.length !== state.tables.length - removed.size) {
    throw new MalformedBytesError('an edit removes a table that is not listed');
  }
  const place = Math.max(first, 0);
  const liveBytes = new Map(state.liveBytes);
  for (const [segmentId, bytes] of edit.liveBytes) {
    if (bytes === 0) liveBytes.delete(segmentId);
    else liveBytes.set(segmentId, bytes);
  }
  return {
    appliedIndex: edit.appliedIndex,
    nextTableId: edit.nextTableId,
    tables: [...kept.slice(0, place), ...edit.added, ...kept.slice(place)],
    liveBytes,
    extentFiles: applyExtents(state.extentFiles, edit),
    logStart: edit.logStart ?? state.logStart,
  };
}

function applyExtents(files: readonly ExtentListing[], edit: ManifestEdit): ExtentListing[] {
  const removed = new Set(edit.removedExtents);
  const kept = files.filter(({ fileId }) => !removed.has(fileId));
  if (kept.length !== files.length - removed.size) {
    throw new MalformedBytesError('an edit removes an extent file that is not listed');
  }
  return [...kept, ...(edit.addedExtents ?? [])];
}

/** The whole state as one edit of the empty one. */
export function editOf(state: ManifestState): ManifestEdit {
  return { ...state, removed: [], added: state.tables, addedExtents: state.extentFiles };
}

export function encodeIdentity(identity: WalIdentity, crc32c: Crc32c): Uint8Array {
  const payload = new ByteWriter(80).u8(KIND_IDENTITY).u8(MANIFEST_FORMAT_VERSION);
  return encodeRecord(0, payload.text(identity.clusterId).text(identity.nodeId), crc32c);
}

export function encodeEdit(sequence: number, edit: ManifestEdit, crc32c: Crc32c): Uint8Array {
  const payload = new ByteWriter(256).u8(KIND_EDIT);
  payload.varint(edit.appliedIndex).varint(edit.nextTableId).varint(edit.removed.length);
  for (const tableId of edit.removed) payload.varint(tableId);
  payload.varint(edit.added.length);
  for (const table of edit.added) {
    payload.varint(table.tableId).varint(table.sizeBytes).u32(table.footerCrc);
  }
  payload.varint(edit.liveBytes.size);
  for (const [segmentId, bytes] of edit.liveBytes) payload.varint(segmentId).varint(bytes);
  encodeExtents(payload, edit);
  return encodeRecord(sequence, payload, crc32c);
}

/** Nothing where no extent file came or went, and the log begins where it did. */
function encodeExtents(payload: ByteWriter, edit: ManifestEdit): void {
  const { removedExtents = [], addedExtents = [], logStart } = edit;
  const isPlain = removedExtents.length === 0 && addedExtents.length === 0;
  if (isPlain && logStart === undefined) return;
  payload.varint(removedExtents.length);
  for (const fileId of removedExtents) payload.varint(fileId);
  payload.varint(addedExtents.length);
  for (const file of addedExtents) {
    payload.varint(file.fileId).varint(file.sizeBytes).u32(file.footerCrc);
  }
  if (logStart !== undefined) payload.varint(logStart.index).varint(logStart.term);
}

function encodeRecord(sequence: number, payload: ByteWriter, crc32c: Crc32c): Uint8Array {
  const bytes = payload.finish();
  const writer = new ByteWriter(bytes.length + RECORD_OVERHEAD_BYTES);
  writer.u32(RECORD_MAGIC).u32(bytes.length).u64(sequence).bytes(bytes);
  const record = withChecksum(writer, crc32c);
  const padded = new Uint8Array(roundUp(record.length));
  padded.set(record);
  return padded;
}

function roundUp(sizeBytes: number): number {
  return Math.ceil(sizeBytes / RECORD_ALIGNMENT_BYTES) * RECORD_ALIGNMENT_BYTES;
}

/** What a MANIFEST says. */
export interface DecodedManifest {
  readonly formatVersion: number;
  readonly identity: WalIdentity;
  readonly state: ManifestState;
  readonly nextSequence: number;
  /** Bytes of whole records; what follows them is an edit that was never committed. */
  readonly validBytes: number;
}

/**
 * Decodes a MANIFEST. A bad record at the end is an edit that a crash interrupted, and is left out; one that
 * a good record follows is damage, a MalformedBytesError.
 */
export function decodeManifest(bytes: Uint8Array, crc32c: Crc32c): DecodedManifest {
  const first = recordAt(bytes, 0, crc32c);
  if (first === undefined) throw new MalformedBytesError('the first record is damaged');
  const head = new ByteReader(first.payload);
  if (head.u8() !== KIND_IDENTITY) throw new MalformedBytesError('no identity');
  const formatVersion = head.u8();
  let state = EMPTY_MANIFEST_STATE;
  let sequence = 1;
  let offset = first.sizeBytes;
  const identity = { clusterId: head.text(), nodeId: head.text() };
  if (formatVersion !== MANIFEST_FORMAT_VERSION) {
    return { formatVersion, identity, state, nextSequence: sequence, validBytes: offset };
  }
  for (;;) {
    const record = recordAt(bytes, offset, crc32c);
    if (record?.sequence !== sequence) break;
    state = applyEdit(state, decodeEdit(record.payload));
    offset += record.sizeBytes;
    sequence++;
  }
  refuseLaterRecord(bytes, offset, sequence, crc32c);
  return { formatVersion, identity, state, nextSequence: sequence, validBytes: offset };
}

/** Safety: edits are synced one by one, so only the last can be torn. A later good one proves damage. */
function refuseLaterRecord(
  bytes: Uint8Array,
  from: number,
  sequence: number,
  crc32c: Crc32c,
): void {
  for (let offset = from; offset < bytes.length; offset += RECORD_ALIGNMENT_BYTES) {
    const record = recordAt(bytes, offset, crc32c);
    if (record !== undefined && record.sequence >= sequence) {
      throw new MalformedBytesError(`record ${sequence} at offset ${from} is damaged`);
    }
  }
}

/** One record of the file, its checksum checked. */
export interface ManifestRecord {
  readonly sequence: number;
  readonly payload: Uint8Array;
  /** With its padding. */
  readonly sizeBytes: number;
}

/** The record that begins at an offset; undefined where none does that is whole. */
export function recordAt(
  bytes: Uint8Array,
  offset: number,
  crc32c: Crc32c,
): ManifestRecord | undefined {
  if (offset + RECORD_OVERHEAD_BYTES > bytes.length) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset);
  if (view.getUint32(0, true) !== RECORD_MAGIC) return undefined;
  const sizeBytes = view.getUint32(4, true) + RECORD_OVERHEAD_BYTES;
  if (offset + sizeBytes > bytes.length) return undefined;
  const record = bytes.subarray(offset, offset + sizeBytes);
  if (!checksumHolds(record, crc32c)) return undefined;
  const reader = new ByteReader(record);
  reader.u64();
  const sequence = reader.u64();
  const payload = record.subarray(RECORD_HEADER_SIZE_BYTES, -4);
  return { sequence, payload, sizeBytes: roundUp(sizeBytes) };
}

/** Throws a MalformedBytesError. */
export function decodeEdit(payload: Uint8Array): ManifestEdit {
  const reader = new ByteReader(payload);
  const kind = reader.u8();
  if (kind !== KIND_EDIT) throw new MalformedBytesError(`unknown record kind ${kind}`);
  const appliedIndex = reader.varint();
  const nextTableId = reader.varint();
  const removed: number[] = [];
  for (let count = reader.varint(); count > 0; count--) removed.push(reader.varint());
  const added: TableListing[] = [];
  for (let count = reader.varint(); count > 0; count--) {
    added.push({ tableId: reader.varint(), sizeBytes: reader.varint(), footerCrc: reader.u32() });
  }
  const liveBytes = new Map<number, number>();
  for (let count = reader.varint(); count > 0; count--) {
    liveBytes.set(reader.varint(), reader.varint());
  }
  const removedExtents: number[] = [];
  const addedExtents: ExtentListing[] = [];
  if (reader.remaining !== 0) {
    for (let count = reader.varint(); count > 0; count--) removedExtents.push(reader.varint());
    for (let count = reader.varint(); count > 0; count--) {
      addedExtents.push({
        fileId: reader.varint(),
        sizeBytes: reader.varint(),
        footerCrc: reader.u32(),
      });
    }
  }
  const logStart =
    reader.remaining === 0 ? undefined : { index: reader.varint(), term: reader.varint() };
  if (reader.remaining !== 0) throw new MalformedBytesError('bytes left over in an edit');
  const extents = { removedExtents, addedExtents };
  return { appliedIndex, nextTableId, removed, added, liveBytes, ...extents, logStart };
}
