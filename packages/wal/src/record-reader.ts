import { logIndex, term } from '@holdfast/bytes';
import { FileError } from '@holdfast/env';
import type { AppendQueue } from './append-queue.ts';
import { corruption } from './damage.ts';
import { WalError } from './errors.ts';
import { ExtentCache } from './extent-cache.ts';
import { viewOf } from './layout.ts';
import { ReadHandles } from './read-handles.ts';
import { type DecodedRecord, decodeRecord, RECORD_HEADER_BYTES } from './record-codec.ts';
import type { Segment } from './segment.ts';
import { SegmentIndex } from './segment-index.ts';
import type { SegmentList } from './segment-list.ts';
import type { Settings } from './settings.ts';
import type { TailCache } from './tail-cache.ts';
import type { Extent, WalRecord, WalRecordWithBody } from './wal.ts';

/** Bytes read at once by `replay`. */
const REPLAY_PIECE_BYTES = 1024 * 1024;

/** Reads records and extents: from the queue, from the caches, or from the files, where each read is verified. */
export class RecordReader {
  readonly #settings: Settings;
  readonly #list: SegmentList;
  readonly #queue: AppendQueue;
  readonly #tail: TailCache;
  readonly #extents: ExtentCache;
  readonly #handles: ReadHandles;
  readonly #index: SegmentIndex;

  constructor(settings: Settings, list: SegmentList, queue: AppendQueue, tail: TailCache) {
    this.#settings = settings;
    this.#list = list;
    this.#queue = queue;
    this.#tail = tail;
    this.#extents = new ExtentCache(Math.floor(settings.cacheSizeBytes / 2));
    this.#handles = new ReadHandles(settings.env.files);
    this.#index = new SegmentIndex(settings, this.#handles);
  }

  get cachedBytes(): number {
    return this.#extents.usedBytes + this.#tail.usedBytes;
  }

  get memoryBytes(): number {
    return this.#extents.usedBytes + this.#tail.sizeBytes + this.#index.sizeBytes;
  }

  async read(index: number): Promise<WalRecordWithBody> {
    const [record] = await this.readRange(index, index + 1, 0);
    return record as WalRecordWithBody;
  }

  /** Reads [from, to), at most `limitBytes` of heads and bodies but at least one record. */
  async readRange(from: number, to: number, limitBytes: number): Promise<WalRecordWithBody[]> {
    const list = this.#list;
    if (from < list.firstIndex || from > list.lastIndex || to <= from) {
      if (to <= from && from >= list.firstIndex && from <= list.lastIndex + 1) return [];
      throw this.#notFound(from);
    }
    const records: WalRecordWithBody[] = [];
    let usedBytes = 0;
    let index = from;
    while (index < to && index <= this.#lastIndex) {
      const segment = list.holding(index);
      if (segment === undefined) throw this.#notFound(index);
      await this.#load(segment);
      // Meanwhile it may have been cut off, or what was not durable taken back.
      if (list.holding(index) !== segment || index > this.#lastIndex) continue;
      const last = Math.min(to - 1, segment.lastIndex, this.#lastIndex);
      // The records up to here, as far as their offsets tell: never more than a record too many.
      const end = this.#lastWithin(segment, index, last, limitBytes - usedBytes);
      for (const record of await this.#readRun(segment, index, end)) {
        const sizeBytes = record.head.length + record.bodyBytes.length;
        if (records.length > 0 && usedBytes + sizeBytes > limitBytes) return records;
        records.push(record);
        usedBytes += sizeBytes;
        index++;
      }
      if (usedBytes >= limitBytes) break;
    }
    if (records.length === 0) throw this.#notFound(from);
    return records;
  }

  /** Records from `from` on, heads only. What is appended meanwhile is not part of it. */
  async *replay(from: number): AsyncGenerator<WalRecord> {
    const last = this.#lastIndex;
    if (from < this.#list.retainedIndex || from > last + 1) throw this.#notFound(from);
    let index = from;
    while (index <= last) {
      const segment = this.#list.holding(index);
      if (segment === undefined) throw this.#notFound(index);
      await this.#load(segment);
      if (index > this.#lastIndex) throw this.#notFound(index);
      const records = await this.#readHeads(segment, index, Math.min(last, segment.lastIndex));
      for (const record of records) yield record;
      index += records.length;
    }
  }

  /** Records of one sealed segment, heads only. */
  async *segmentRecords(segmentId: number): AsyncGenerator<WalRecord> {
    const segment = this.#list.byId(segmentId);
    if (segment?.state !== 'sealed') {
      throw new WalError('WAL_INDEX_NOT_FOUND', `There is no sealed segment ${segmentId}.`);
    }
    for (let index = segment.baseIndex; index <= segment.lastIndex; ) {
      await this.#load(segment);
      const records = await this.#readHeads(segment, index, segment.lastIndex);
      for (const record of records) yield record;
      index += records.length;
    }
  }

  /** A view of the bytes where they are in memory, valid until the caller's turn ends. */
  heldExtent({ segmentId, offset, length }: Extent): Uint8Array | undefined {
    return (
      this.#tail.find(segmentId, offset, length) ??
      this.#queue.slice(segmentId, offset, length) ??
      this.#extents.get(segmentId, offset, length)
    );
  }

  async readExtent(extent: Extent, target: Uint8Array | undefined): Promise<Uint8Array> {
    const { segmentId, offset, length } = extent;
    const held = this.heldExtent(extent);
    if (held !== undefined) {
      if (target === undefined) return held.slice();
      target.set(held);
      return target.subarray(0, length);
    }
    const segment = this.#list.byId(segmentId);
    if (segment === undefined) {
      throw new WalError(
        'WAL_INDEX_NOT_FOUND',
        `Segment ${segmentId} is not (or no longer) in the log.`,
      );
    }
    const bytes = target === undefined ? new Uint8Array(length) : target.subarray(0, length);
    await this.#readFile(segment, bytes, offset);
    if (!this.#settings.env.bodyChecksum.holds([bytes], extent.crc)) {
      throw corruption(
        segment.path,
        offset,
        `the extent of ${length} bytes does not match its checksum`,
      );
    }
    this.#extents.put(segmentId, offset, bytes);
    return bytes;
  }

  /** The segment's offsets are bounded from now on, since they can be loaded again. */
  sealed(segment: Segment): void {
    this.#index.keep(segment);
  }

  /** Forgets a segment whose file is about to be unlinked. */
  drop(segment: Segment): void {
    this.#handles.drop(segment.id);
    this.#extents.dropSegment(segment.id);
    this.#index.forget(segment);
  }

  async close(): Promise<void> {
    await this.#handles.close();
  }

  /** Afterwards the offsets are there until the turn ends; another load may have pushed them out again. */
  async #load(segment: Segment): Promise<void> {
    do await this.#index.load(segment);
    while (segment.offsets === undefined);
  }

  #lastWithin(segment: Segment, from: number, last: number, limitBytes: number): number {
    const { offsets, baseIndex } = segment;
    if (offsets === undefined) return from;
    const start = offsets.at(from - baseIndex);
    let end = from;
    while (end < last && offsets.at(end + 1 - baseIndex) - start < limitBytes) end++;
    return end;
  }

  /** Records [from, last] of one segment, bodies included, in one read where they are in the file. */
  async #readRun(segment: Segment, from: number, last: number): Promise<WalRecordWithBody[]> {
    const records: WalRecordWithBody[] = [];
    let index = from;
    while (index <= last) {
      const held = this.#fromMemory(segment, index);
      if (held === undefined) break;
      records.push(held);
      index++;
    }
    if (index > last) return records;
    // What is in memory is newest, so what is left begins in the file, and may end in memory.
    let fileLast = last;
    while (fileLast > index && this.#queue.batchOf(fileLast) !== undefined) fileLast--;
    const { start } = segment.recordRange(index);
    const { end } = segment.recordRange(fileLast);
    const bytes = new Uint8Array(Math.min(end, segment.fileSizeBytes) - start);
    const offsets = Array.from({ length: fileLast - index + 1 }, (_, position) => {
      return segment.recordRange(index + position).start;
    });
    await this.#readFile(segment, bytes, start);
    for (const offset of offsets) {
      records.push(this.#whole(segment, bytes, offset - start, start, index));
      index++;
    }
    return records;
  }

  #fromMemory(segment: Segment, index: number): WalRecordWithBody | undefined {
    const at = segment.offsets?.at(index - segment.baseIndex) ?? 0;
    const find = (length: number): Uint8Array | undefined =>
      this.#queue.slice(segment.id, at, length) ?? this.#tail.find(segment.id, at, length);
    const header = find(RECORD_HEADER_BYTES);
    if (header === undefined) return undefined;
    const view = viewOf(header);
    const bytes = find(RECORD_HEADER_BYTES + view.getUint32(4, true) + view.getUint32(8, true));
    // A copy: the buffer is written to again when the turn ends.
    return bytes === undefined ? undefined : this.#whole(segment, bytes.slice(), 0, at, index);
  }

  /** Heads of as many records from `from` as one piece of the file holds; at least one. */
  async #readHeads(segment: Segment, from: number, last: number): Promise<WalRecord[]> {
    const held = this.#fromMemory(segment, from);
    if (held !== undefined) return [withoutBody(held)];
    const { start, end } = segment.recordRange(from);
    const baseIndex = segment.baseIndex;
    let bytes = new Uint8Array(Math.min(REPLAY_PIECE_BYTES, segment.fileSizeBytes - start));
    const offsets: number[] = [];
    for (let index = from; index <= last; index++) {
      const offset = segment.offsets?.at(index - baseIndex) ?? 0;
      if (offset - start >= bytes.length || this.#queue.batchOf(index) !== undefined) break;
      offsets.push(offset);
    }
    await this.#readFile(segment, bytes, start);
    const records: WalRecord[] = [];
    for (const offset of offsets) {
      let decoded = this.#decode(bytes, offset - start, from + records.length);
      if (decoded === undefined && records.length > 0) break;
      if (decoded === undefined) {
        // The first one's head may be longer than the piece.
        bytes = new Uint8Array(end - start);
        await this.#readFile(segment, bytes, start);
        decoded = this.#decode(bytes, 0, from);
      }
      if (decoded === undefined) throw damagedRecord(segment, offset, from);
      records.push(recordOf(segment, decoded, start));
    }
    return records;
  }

  #decode(bytes: Uint8Array, at: number, index: number): DecodedRecord | undefined {
    const { crc32c } = this.#settings.env;
    const decoded = decodeRecord(bytes, viewOf(bytes), at, bytes.length, crc32c);
    return decoded?.index === index ? decoded : undefined;
  }

  #whole(
    segment: Segment,
    bytes: Uint8Array,
    at: number,
    fileOffset: number,
    index: number,
  ): WalRecordWithBody {
    const decoded = this.#decode(bytes, at, index);
    if (decoded === undefined) throw damagedRecord(segment, fileOffset + at, index);
    const bodyBytes = bytes.subarray(decoded.bodyAt, decoded.bodyAt + decoded.bodyLength);
    const isWhole =
      bodyBytes.length === decoded.bodyLength &&
      (decoded.bodyLength === 0 ||
        this.#settings.env.bodyChecksum.holds([bodyBytes], decoded.bodyCrc));
    if (!isWhole) throw damagedRecord(segment, fileOffset + at, index);
    return { ...recordOf(segment, decoded, fileOffset), bodyBytes };
  }

  async #readFile(segment: Segment, target: Uint8Array, offset: number): Promise<void> {
    let length: number;
    try {
      length = await this.#handles.use(segment, (handle) => handle.read(target, offset));
    } catch (cause) {
      if (!(cause instanceof FileError)) throw cause;
      throw corruption(segment.path, offset, 'the device could not read it', cause);
    }
    if (length < target.length)
      throw corruption(segment.path, offset + length, 'the file ends too early');
  }

  /** Of the records that are in memory or in a file. */
  get #lastIndex(): number {
    return Math.min(this.#list.lastIndex, this.#queue.lostFrom - 1);
  }

  #notFound(index: number): WalError {
    const { firstIndex } = this.#list;
    const lastIndex = this.#lastIndex;
    const holds = lastIndex < firstIndex ? 'is empty' : `holds ${firstIndex} to ${lastIndex}`;
    return new WalError(
      'WAL_INDEX_NOT_FOUND',
      `Record ${index} is not in the log, which ${holds}.`,
    );
  }
}

function damagedRecord(segment: Segment, offset: number, index: number): WalError {
  return corruption(segment.path, offset, `record ${index} does not match its checksum`);
}

function recordOf(segment: Segment, decoded: DecodedRecord, fileOffset: number): WalRecord {
  const { bodyLength } = decoded;
  return {
    index: logIndex(decoded.index),
    term: term(decoded.term),
    kind: decoded.kind,
    head: decoded.head,
    body:
      bodyLength === 0
        ? undefined
        : {
            segmentId: segment.id,
            offset: fileOffset + decoded.bodyAt,
            length: bodyLength,
            crc: decoded.bodyCrc,
          },
  };
}

function withoutBody(record: WalRecordWithBody): WalRecord {
  const { index, term: recordTerm, kind, head, body } = record;
  return { index, term: recordTerm, kind, head, body };
}
