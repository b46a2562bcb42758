import { InvariantError, invariant } from '@holdfast/bytes';
import { BATCH_HEADER_BYTES } from './batch-header.ts';
import type { BufferPool } from './buffer-pool.ts';
import { WalError } from './errors.ts';
import { pathIn, segmentName } from './file-names.ts';
import { BLOCK_BYTES } from './layout.ts';
import { PendingBatch } from './pending-batch.ts';
import { checkRecordFields, RECORD_HEADER_BYTES, recordSizeBytes } from './record-codec.ts';
import { Segment } from './segment.ts';
import { sealSizeBytes } from './segment-footer.ts';
import type { SegmentList } from './segment-list.ts';
import type { Settings } from './settings.ts';
import type { AppendRequest, Extent } from './wal.ts';

/** A cut of the log's end, in its place between the batches. */
export interface Truncation {
  readonly from: number;
  /** Takes the records from `from` on; its header voids the old ones. */
  readonly segment: Segment;
  /** Segments of which nothing is left. */
  readonly voided: readonly Segment[];
  /** The list before, for a truncation that finds no space. */
  readonly before: readonly { readonly segment: Segment; readonly clipIndex: number }[];
  readonly settled: PromiseWithResolvers<void>;
}

export type QueueItem = PendingBatch | Truncation;

/**
 * Everything appended and not yet written, in order. Positions in the file are assigned here, at the
 * time of the append, because the caller is told at once where its bytes will be.
 */
export class AppendQueue {
  readonly #settings: Settings;
  readonly #list: SegmentList;
  readonly #pool: BufferPool;
  #items: QueueItem[] = [];
  #gathering: PendingBatch | undefined;
  /** Batches handed out by `next`, oldest first, neither acknowledged nor withdrawn. */
  #inFlight: PendingBatch[] = [];
  #lostFrom = Number.POSITIVE_INFINITY;
  #lastTerm: number;
  /** Bytes of records appended and not yet durable. */
  pendingBytes = 0;
  /** Whether the next batch should begin a new segment, since a better file is ready for it. */
  prefersNewSegment: (segment: Segment) => boolean = () => false;

  constructor(settings: Settings, list: SegmentList, pool: BufferPool) {
    this.#settings = settings;
    this.#list = list;
    this.#pool = pool;
    this.#lastTerm = list.termAt(list.lastIndex) ?? 0;
  }

  /** The first of the records that were on their way when the log failed: they are in no memory, and perhaps in no file. */
  get lostFrom(): number {
    return this.#lostFrom;
  }

  get isEmpty(): boolean {
    return this.#items.length === 0 && this.#gathering === undefined && this.#inFlight.length === 0;
  }

  append(request: AppendRequest): { readonly index: number; readonly body: Extent | undefined } {
    const { head, body, term } = request;
    let bodyLength = 0;
    if (body !== undefined) for (const part of body) bodyLength += part.length;
    this.#check(request, head.length + bodyLength);
    const sizeBytes = recordSizeBytes(head.length, bodyLength);
    const { pendingBytes } = this;
    if (pendingBytes > 0 && pendingBytes + sizeBytes > this.#settings.pendingSizeLimitBytes)
      throw busy();
    let batch = this.#gathering;
    if (batch === undefined || !hasRoom(batch, sizeBytes)) batch = this.#startBatch(sizeBytes);
    const index = ++this.#list.lastIndex;
    const offset = batch.add(request, index, bodyLength, sizeBytes, this.#settings.env);
    const { segment } = batch;
    segment.addRecord(offset, index, term, head.length + bodyLength);
    this.#lastTerm = term;
    this.pendingBytes = pendingBytes + sizeBytes;
    if (bodyLength === 0) return { index, body: undefined };
    return {
      index,
      body: {
        segmentId: segment.id,
        offset: offset + RECORD_HEADER_BYTES + head.length,
        length: bodyLength,
        crc: batch.bodyCrcAt(offset),
      },
    };
  }

  /** Queues an empty batch that only says what is durable. */
  addMark(segment: Segment): void {
    this.#closeGathering();
    const mark = new PendingBatch(
      segment,
      segment.endPosition,
      this.#list.lastIndex + 1,
      BLOCK_BYTES,
      this.#pool,
    );
    segment.endPosition += BLOCK_BYTES;
    this.#items.push(mark);
  }

  /** What `next` would hand out. */
  peek(): QueueItem | undefined {
    return this.#items[0] ?? this.#gathering;
  }

  /** The next thing to do; a batch that is handed out counts as in flight. */
  next(): QueueItem | undefined {
    if (this.#items.length === 0) this.#closeGathering();
    const item = this.#items.shift();
    if (item instanceof PendingBatch) this.#inFlight.push(item);
    return item;
  }

  /** The oldest batch in flight is durable: forgets it. */
  acknowledge(batch: PendingBatch): void {
    invariant(batch === this.#inFlight[0], 'batches are acknowledged in order');
    this.#inFlight.shift();
    this.pendingBytes -= batch.length - BATCH_HEADER_BYTES;
  }

  /** The pending batch with the record at `index`. */
  batchOf(index: number): PendingBatch | undefined {
    const holds = (batch: PendingBatch | undefined): batch is PendingBatch =>
      batch !== undefined &&
      index >= batch.firstIndex &&
      index <= batch.lastIndex &&
      index < batch.truncatedFrom;
    if (holds(this.#gathering)) return this.#gathering;
    const inFlight = this.#inFlight.find(holds);
    if (inFlight !== undefined) return inFlight;
    return this.#items.find(
      (item): item is PendingBatch => item instanceof PendingBatch && holds(item),
    );
  }

  /** A view of bytes that are not in a file yet; valid until the caller's turn ends. */
  slice(segmentId: number, offset: number, length: number): Uint8Array | undefined {
    const gathered = this.#gathering?.slice(segmentId, offset, length);
    if (gathered !== undefined) return gathered;
    for (const batch of this.#inFlight) {
      const bytes = batch.slice(segmentId, offset, length);
      if (bytes !== undefined) return bytes;
    }
    for (const item of this.#items) {
      const bytes =
        item instanceof PendingBatch ? item.slice(segmentId, offset, length) : undefined;
      if (bytes !== undefined) return bytes;
    }
    return undefined;
  }

  /** Takes the records at `from` and above out of the log, in memory, and queues the cut. */
  truncate(from: number): Truncation {
    return this.#cut(from, this.#list.termAt(from - 1) ?? 0, false);
  }

  /** Takes all records out of the log, in memory, and queues what makes it begin with the record `from`. */
  restart(from: number, termBefore: number): Truncation {
    return this.#cut(from, termBefore, true);
  }

  #cut(from: number, termBefore: number, restarts: boolean): Truncation {
    this.#closeGathering();
    const list = this.#list;
    const replaces = this.#takeCutsAbove(from);
    const before =
      replaces[0]?.before ?? list.all.map((segment) => ({ segment, clipIndex: segment.clipIndex }));
    this.#dropUnwritten(from);
    const voided = [
      ...replaces.flatMap((cut) => cut.voided),
      ...list.all.filter(({ baseIndex }) => baseIndex >= from),
    ];
    const kept = list.all.filter(({ baseIndex }) => baseIndex < from);
    for (const segment of kept) segment.clipIndex = Math.min(segment.clipIndex, from - 1);
    list.replace(kept);
    list.lastIndex = from - 1;
    this.#lastTerm = termBefore;
    const segment = this.#planSegment();
    segment.truncates = true;
    segment.restarts = restarts;
    const settled = Promise.withResolvers<void>();
    for (const cut of replaces) settled.promise.then(cut.settled.resolve, cut.settled.reject);
    const truncation = { from, segment, voided, before, settled };
    this.#items.push(truncation);
    return truncation;
  }

  /**
   * Safety: what such a cut stands on is cut too, and perhaps never written. Its segment would begin behind a gap, and no
   * open would take it.
   */
  #takeCutsAbove(from: number): Truncation[] {
    const isAbove = (item: QueueItem): item is Truncation =>
      !(item instanceof PendingBatch) && item.from > from;
    const cuts = this.#items.filter(isAbove);
    this.#items = this.#items.filter((item) => !isAbove(item));
    return cuts;
  }

  /**
   * Takes back everything that is not durable: the log is then what it was at `durableIndex`, where
   * `active` ends at `position`. Returns what has to be rejected.
   */
  withdraw(
    item: QueueItem,
    active: Segment | undefined,
    position: number,
    durableIndex: number,
  ): QueueItem[] {
    const withdrawn = this.takeAll(item);
    const cut = withdrawn.find((candidate) => !(candidate instanceof PendingBatch)) as
      | Truncation
      | undefined;
    const list = this.#list;
    if (cut !== undefined) {
      for (const { segment, clipIndex } of cut.before) segment.clipIndex = clipIndex;
      list.replace(cut.before.map(({ segment }) => segment));
    }
    list.replace(list.all.filter(({ state }) => state !== 'planned'));
    if (active !== undefined) {
      let payloadBytes = 0;
      for (const batch of withdrawn) {
        if (batch instanceof PendingBatch && batch.segment === active)
          payloadBytes += batch.payloadBytes;
      }
      active.trim(durableIndex, payloadBytes);
      active.endPosition = position;
    }
    list.lastIndex = durableIndex;
    this.#lastTerm = list.termAt(durableIndex) ?? 0;
    return withdrawn;
  }

  /** As `takeAll`, for a log that has failed: what is taken is never written again. */
  giveUp(item: QueueItem | undefined): QueueItem[] {
    const all = this.takeAll(item);
    for (const each of all) {
      if (each instanceof PendingBatch) this.#lostFrom = Math.min(this.#lostFrom, each.firstIndex);
    }
    return all;
  }

  /** Empties the queue: what is in flight (and a truncation that was handed out) first. */
  takeAll(item: QueueItem | undefined): QueueItem[] {
    this.#closeGathering();
    const truncation = item === undefined || item instanceof PendingBatch ? [] : [item];
    const all = [...truncation, ...this.#inFlight, ...this.#items];
    this.#items = [];
    this.#inFlight = [];
    this.pendingBytes = 0;
    return all;
  }

  #check(request: AppendRequest, payloadBytes: number): void {
    const { recordSizeLimitBytes } = this.#settings;
    if (payloadBytes > recordSizeLimitBytes) {
      throw new WalError(
        'WAL_RECORD_TOO_LARGE',
        `A record has at most ${recordSizeLimitBytes} bytes of head and body, this one has ${payloadBytes}. Split it.`,
      );
    }
    const next = this.#list.lastIndex + 1;
    if (request.index !== undefined && request.index !== next) {
      throw new WalError(
        'WAL_INDEX_GAP',
        `The next index is ${next}, not ${request.index}. Append what is missing first, or truncate.`,
      );
    }
    checkRecordFields(request.term, request.kind);
    if (request.term < this.#lastTerm) {
      throw new InvariantError(`term ${request.term} after term ${this.#lastTerm}`);
    }
  }

  /** A new batch with room for a record of `sizeBytes`, in a new segment where the last has none. */
  #startBatch(sizeBytes: number): PendingBatch {
    this.#closeGathering();
    const last = this.#list.last;
    const isOpen = last !== undefined && last.state !== 'sealed';
    const needed = BATCH_HEADER_BYTES + sizeBytes;
    // A segment without a batch takes any record, so that a large one in a small segment has its place.
    const fits = isOpen && (last.endPosition <= BLOCK_BYTES || this.#roomIn(last) >= needed + 4);
    const segment = fits && !this.prefersNewSegment(last) ? last : this.#planSegment();
    const limit = BATCH_HEADER_BYTES + this.#settings.batchSizeLimitBytes;
    const batch = new PendingBatch(
      segment,
      segment.endPosition,
      this.#list.lastIndex + 1,
      Math.max(needed + 4, Math.min(limit, this.#roomIn(segment))),
      this.#pool,
    );
    batch.openedMs = this.#settings.env.clock.monotonicMs();
    this.#gathering = batch;
    return batch;
  }

  /** Bytes for one more batch, its header and four bytes a record for the footer included. */
  #roomIn(segment: Segment): number {
    const seal = sealSizeBytes(segment.recordCount, segment.termRuns.length + 1) + BLOCK_BYTES;
    return this.#settings.segmentSizeBytes - segment.endPosition - seal - BLOCK_BYTES;
  }

  #planSegment(): Segment {
    const list = this.#list;
    const id = list.takeId();
    const baseIndex = list.lastIndex + 1;
    const name = segmentName(baseIndex, id);
    const segment = new Segment({
      id,
      name,
      path: pathIn(this.#settings.directory, name),
      baseIndex,
      createdMs: this.#settings.env.clock.nowMs(),
    });
    segment.termBefore = this.#lastTerm;
    segment.endPosition = BLOCK_BYTES;
    list.push(segment);
    return segment;
  }

  #closeGathering(): void {
    const batch = this.#gathering;
    if (batch === undefined) return;
    batch.segment.endPosition = batch.position + batch.paddedLength;
    this.#items.push(batch);
    this.#gathering = undefined;
  }

  /** Rejects batches of truncated records that no write was begun for, and marks those that stay. */
  #dropUnwritten(from: number): void {
    const error = truncated(from);
    for (const batch of this.#inFlight) clip(batch, from);
    const kept: QueueItem[] = [];
    for (const item of this.#items.reverse()) {
      if (!(item instanceof PendingBatch) || item.count === 0 || item.firstIndex < from) {
        if (item instanceof PendingBatch) clip(item, from);
        kept.push(item);
        continue;
      }
      item.segment.trim(item.firstIndex - 1, item.payloadBytes);
      item.segment.endPosition = item.position;
      this.pendingBytes -= item.length - BATCH_HEADER_BYTES;
      item.reject(error);
      item.release();
    }
    this.#items = kept.reverse();
  }
}

function hasRoom(batch: PendingBatch, sizeBytes: number): boolean {
  return batch.length + sizeBytes + 4 * (batch.count + 1) <= batch.limitBytes;
}

function clip(batch: PendingBatch, from: number): void {
  batch.truncatedFrom = Math.min(batch.truncatedFrom, from);
}

function busy(): WalError {
  return new WalError(
    'WAL_BUSY',
    'Too many bytes wait for the disk. Wait for `whenWritable`, then append again.',
  );
}

/** Why a waiter is rejected whose record was truncated. */
export function truncated(from: number): WalError {
  return new WalError(
    'WAL_INDEX_NOT_FOUND',
    `The records from ${from} on were truncated before they were acknowledged.`,
  );
}
