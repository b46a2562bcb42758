import { invariant } from '@holdfast/bytes';
import type { FileHandle } from '@holdfast/env';
import { AppendQueue, type QueueItem, type Truncation, truncated } from './append-queue.ts';
import { ignoreNoSpace, isFileError, noSpace, poisoned } from './damage.ts';
import { WalError } from './errors.ts';
import { Histogram } from './histogram.ts';
import { BATCHES_IN_FLIGHT, BLOCK_BYTES } from './layout.ts';
import { PendingBatch } from './pending-batch.ts';
import type { LogEnd } from './recovery.ts';
import type { Segment } from './segment.ts';
import type { SegmentFiles } from './segment-files.ts';
import type { SegmentList } from './segment-list.ts';
import type { Settings } from './settings.ts';
import type { StateSaver } from './state-saver.ts';
import type { TailCache } from './tail-cache.ts';

/** A batch whose records are larger on average is not kept in memory. */
const CACHED_RECORD_BYTES = 256 * 1024;
/** Microtasks that waiters get to append again before the next batch is issued, of a turn that goes on. */
const GATHERING_MICROTASKS = 3;
/** The least records, or bytes, of a batch that is issued before its time. */
const EARLY_BATCH_RECORDS = 16;
const EARLY_BATCH_BYTES = 128 * 1024;
const LATENCY_BOUNDS_MS: readonly number[] = [
  0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 1000, 5000,
];
/** 4 KiB to 4 MiB. */
const BATCH_BOUNDS_BYTES: readonly number[] = [12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22].map(
  (bits) => 2 ** bits,
);

export interface WriterCounters {
  batches: number;
  appendedRecords: number;
  appendedBytes: number;
  lastSyncMs: number;
  totalSyncMs: number;
}

/** A batch whose write was begun. */
interface IssuedBatch {
  readonly batch: PendingBatch;
  readonly chain: number;
  readonly sequence: number;
  readonly sizeBytes: number;
  /** Whether it is on disk; never rejects. */
  readonly outcome: Promise<{ readonly error: unknown } | undefined>;
}

export interface WriterHistograms {
  readonly appendLatencyMs: Histogram;
  readonly syncLatencyMs: Histogram;
  readonly batchBytes: Histogram;
}

/**
 * Writes the queue to disk: batches, at most `BATCHES_IN_FLIGHT` of them at once in one segment, or a truncation alone.
 *
 * Why two: the device works on one while records are gathered for the other.
 *
 * Durability: a batch is acknowledged when its synced write has returned and all before it are
 * acknowledged. `durableSeq` in its header is what was acknowledged when it was issued, so that a
 * recovery which finds the second batch without the first knows that neither was.
 *
 * Safety: a failed write or sync poisons the log. It is never repeated, since the kernel may have
 * dropped the pages and would report success. A full disk is the exception: what was to be written is
 * withdrawn, its place is made clean, and the log goes on.
 */
export class LogWriter {
  readonly #settings: Settings;
  readonly #list: SegmentList;
  readonly #queue: AppendQueue;
  readonly #segmentFiles: SegmentFiles;
  readonly #state: StateSaver;
  readonly #cache: TailCache;
  readonly #end: LogEnd;
  readonly #earlyBatchBytes: number;
  #handle: FileHandle | undefined;
  #isRunning = false;
  /** Oldest first. */
  #inFlight: IssuedBatch[] = [];
  /** Records that were acknowledged last or are in flight: how many writers there seem to be. */
  #load = 0;
  /** Something is done that no batch may be issued beside: a new segment, a truncation, a repair. */
  #isExclusive = false;
  #failure: WalError | undefined;
  #endsWithMark = false;
  /** Id of the segment that the state names as the newest. */
  #namedId: number | undefined;
  #idleWaiters: (() => void)[] = [];
  #durableIndex: number;
  readonly counters: WriterCounters = {
    batches: 0,
    appendedRecords: 0,
    appendedBytes: 0,
    lastSyncMs: 0,
    totalSyncMs: 0,
  };
  readonly histograms: WriterHistograms = {
    appendLatencyMs: new Histogram(LATENCY_BOUNDS_MS),
    syncLatencyMs: new Histogram(LATENCY_BOUNDS_MS),
    batchBytes: new Histogram(BATCH_BOUNDS_BYTES),
  };
  /** Called when a write ended, well or badly: pending bytes have changed. */
  onProgress: () => void = () => undefined;
  /** Called when nothing is left to write. */
  onIdle: () => void = () => undefined;
  /** Called when a segment was sealed. */
  onSeal: (segment: Segment) => void = () => undefined;
  /** Called before a segment's file is unlinked. */
  onUnlink: (segment: Segment) => void = () => undefined;

  constructor(
    settings: Settings,
    list: SegmentList,
    queue: AppendQueue,
    segmentFiles: SegmentFiles,
    state: StateSaver,
    cache: TailCache,
    end: LogEnd,
    handle: FileHandle | undefined,
  ) {
    this.#settings = settings;
    this.#list = list;
    this.#queue = queue;
    this.#segmentFiles = segmentFiles;
    this.#state = state;
    this.#cache = cache;
    this.#end = end;
    this.#handle = handle;
    this.#durableIndex = end.index;
    this.#namedId = end.active?.id;
    this.#earlyBatchBytes = Math.min(EARLY_BATCH_BYTES, settings.batchSizeLimitBytes / 4);
    queue.prefersNewSegment = (segment) => this.#hasBetterFile(segment);
  }

  get durableIndex(): number {
    return this.#durableIndex;
  }

  /** Whether the last batch is a mark. */
  get endsWithMark(): boolean {
    return this.#endsWithMark;
  }

  /** Why the log takes nothing more, if it does not. */
  get failure(): WalError | undefined {
    return this.#failure;
  }

  /**
   * Starts writing when this turn of the event loop ends, unless it goes on already: so appends of one turn share a
   * batch. A batch that is large enough is issued at once, beside the one in flight.
   */
  kick(): void {
    if (this.#isRunning) {
      if (this.#canIssue()) this.#issue(this.#queue.next());
      return;
    }
    this.#isRunning = true;
    void this.#gather().then(() => this.#run());
  }

  /** Resolves when there is nothing left to write, or the log is poisoned. */
  whenIdle(): Promise<void> {
    if (!this.#isRunning) return Promise.resolve();
    return new Promise((resolve) => {
      this.#idleWaiters.push(resolve);
    });
  }

  truncate(from: number): Promise<void> {
    const truncation = this.#queue.truncate(from);
    this.#durableIndex = Math.min(this.#durableIndex, from - 1);
    this.kick();
    return truncation.settled.promise;
  }

  /** Makes the log begin with the record `from`. Nothing may be appended before it resolves. */
  async restart(from: number, termBefore: number): Promise<void> {
    const restart = this.#queue.restart(from, termBefore);
    this.#durableIndex = Math.min(this.#durableIndex, from - 1);
    this.kick();
    await restart.settled.promise;
    this.#durableIndex = from - 1;
  }

  /** Writes a mark, if the last batch is not one: then damage of what is before it is known as such. */
  async mark(): Promise<void> {
    const { active } = this.#end;
    if (this.#failure !== undefined || this.#isRunning || !this.#queue.isEmpty) return;
    if (active === undefined || active !== this.#list.last) return;
    if (this.#endsWithMark) return;
    this.#queue.addMark(active);
    this.kick();
    await this.whenIdle();
  }

  /** Fills files for the next segments until something is appended. Never rejects. */
  async fillSpares(): Promise<void> {
    if (this.#failure !== undefined) return;
    await this.#segmentFiles.spares.fillWhile(() => !this.#isRunning);
  }

  /** Poisons the log from outside: a hard state that could not be saved. */
  poison(cause: unknown): void {
    this.#poison(cause, undefined);
  }

  async close(): Promise<void> {
    await this.whenIdle();
    await this.#segmentFiles.spares.stop();
    await this.#handle?.close();
  }

  async #run(): Promise<void> {
    for (;;) {
      const oldest = this.#inFlight[0];
      if (oldest === undefined) {
        const item = this.#failure === undefined ? this.#queue.next() : undefined;
        if (item === undefined) break;
        if (item instanceof PendingBatch && this.#takes(item.segment)) this.#issue(item);
        else await this.#beginAlone(item);
        continue;
      }
      while (this.#canIssue()) this.#issue(this.#queue.next());
      await this.#settle(oldest);
      this.onProgress();
      // Why: writers that were just told of their sync append again within this turn; waiting for them
      // costs a microsecond and lets them share the next batch.
      for (let turn = 0; turn < GATHERING_MICROTASKS; turn++) await Promise.resolve();
      await this.#gather();
    }
    this.#isRunning = false;
    for (const resolve of this.#idleWaiters.splice(0)) resolve();
    this.onIdle();
  }

  /**
   * Resolves when all who are heard in this turn of the event loop had their chance to append. Why: a batch costs the
   * thread as much as a few appends, and a request that came in the same poll would miss it. One that is large already
   * waits for nobody.
   */
  #gather(): Promise<void> {
    const next = this.#queue.peek();
    const isLarge = next instanceof PendingBatch && next.length >= this.#earlyBatchBytes;
    return isLarge ? Promise.resolve() : this.#settings.env.clock.turn();
  }

  /** With nothing in flight: goes to the batch's segment and issues it, or does a truncation. */
  async #beginAlone(item: QueueItem): Promise<void> {
    this.#isExclusive = true;
    try {
      if (item instanceof PendingBatch) {
        if (item.segment !== this.#end.active) await this.#moveTo(item.segment);
        await this.#name(item.segment);
        this.#issue(item);
      } else {
        await this.#truncate(item);
        this.onProgress();
      }
    } catch (cause) {
      await this.#recover(item, cause);
      this.onProgress();
    } finally {
      this.#isExclusive = false;
    }
  }

  /**
   * Whether the next batch should be issued now, though more could still be gathered for it: it has half
   * of what all writers together can bring, so that the other half is gathered while this one is written.
   */
  #canIssue(): boolean {
    if (this.#isExclusive || this.#failure !== undefined) return false;
    if (this.#inFlight.length >= BATCHES_IN_FLIGHT) return false;
    const next = this.#queue.peek();
    if (!(next instanceof PendingBatch) || !this.#takes(next.segment)) return false;
    if (next.length >= this.#earlyBatchBytes) return true;
    return this.#load >= 2 * EARLY_BATCH_RECORDS && next.count * 2 >= this.#load;
  }

  /** Begins the write of a batch that `next` handed out, behind the one in flight if there is one. */
  #issue(batch: QueueItem | undefined): void {
    const handle = this.#handle;
    invariant(batch instanceof PendingBatch && handle !== undefined, 'there is a batch to issue');
    const { env } = this.#settings;
    const previous = this.#inFlight.at(-1);
    const end = this.#end;
    const position =
      previous === undefined ? end.position : previous.batch.position + previous.sizeBytes;
    invariant(batch.position === position, 'a batch follows the one before it');
    const sequence = (previous?.sequence ?? end.sequence) + 1;
    const previousChain = previous?.chain ?? end.chain;
    const chain = batch.seal({ sequence, durableSeq: end.sequence, previousChain }, env.crc32c);
    const bytes = batch.bytes();
    const startedMs = env.clock.monotonicMs();
    const outcome = handle.writeSynced(bytes, position).then(
      () => {
        this.#countSync(env.clock.monotonicMs() - startedMs);
        return undefined;
      },
      (error: unknown) => ({ error }),
    );
    // While the device is busy: recent records are read again soon, unless they are pieces of something large.
    if (batch.length < CACHED_RECORD_BYTES * batch.count) {
      this.#cache.put(batch.segment.id, position, bytes.subarray(0, batch.length));
    }
    this.#inFlight.push({ batch, chain, sequence, sizeBytes: bytes.length, outcome });
  }

  /** Waits for the oldest batch in flight, and acknowledges it or deals with its failure. */
  async #settle(oldest: IssuedBatch): Promise<void> {
    const { batch, chain, sequence, sizeBytes } = oldest;
    const failed = await oldest.outcome;
    if (failed !== undefined || this.#failure !== undefined) {
      this.#isExclusive = true;
      // Safety: nothing is undone, and no file closed, while a write is still on its way to it.
      await Promise.all(this.#inFlight.map(({ outcome }) => outcome));
      if (failed !== undefined && this.#failure === undefined) {
        await this.#recover(batch, failed.error);
      }
      this.#inFlight = [];
      this.#isExclusive = false;
      return;
    }
    const end = this.#end;
    end.position = batch.position + sizeBytes;
    end.sequence = sequence;
    end.chain = chain;
    end.index = batch.lastIndex;
    batch.segment.fileSizeBytes = Math.max(batch.segment.fileSizeBytes, end.position);
    this.#inFlight.shift();
    this.#load = batch.count + (this.#inFlight[0]?.batch.count ?? 0);
    this.#acknowledge(batch);
    if (batch.count > 0) {
      this.#segmentFiles.spares.noteBatch(sizeBytes, end.position, this.counters.lastSyncMs);
    }
  }

  #acknowledge(batch: PendingBatch): void {
    this.#queue.acknowledge(batch);
    this.#endsWithMark = batch.count === 0;
    this.counters.batches++;
    this.counters.appendedRecords += batch.count;
    this.counters.appendedBytes += batch.payloadBytes;
    this.histograms.batchBytes.observe(batch.paddedLength);
    const latencyMs = this.#settings.env.clock.monotonicMs() - batch.openedMs;
    if (batch.count > 0) this.histograms.appendLatencyMs.observe(latencyMs, batch.count);
    this.#durableIndex = Math.max(
      this.#durableIndex,
      Math.min(batch.lastIndex, batch.truncatedFrom - 1),
    );
    if (batch.awaitsTruncated) batch.reject(truncated(batch.truncatedFrom));
    else batch.resolve();
    batch.release();
  }

  #countSync(durationMs: number): void {
    this.counters.lastSyncMs = durationMs;
    this.counters.totalSyncMs += durationMs;
    this.histograms.syncLatencyMs.observe(durationMs);
  }

  /** Seals the active segment and makes the next one, durably, before a record in it is acknowledged. */
  async #moveTo(segment: Segment): Promise<void> {
    const end = this.#end;
    const start = { ...end, sequence: end.sequence + (end.active === undefined ? 0 : 1) };
    const sealing = end.active && this.#seal(end.active);
    const { handle, chain } = await this.#segmentFiles.make(segment, start, sealing);
    this.#handle = handle;
    Object.assign(end, { active: segment, position: BLOCK_BYTES, chain, segmentId: segment.id });
    end.index = segment.baseIndex - 1;
    this.#endsWithMark = false;
  }

  async #seal(active: Segment): Promise<void> {
    const end = this.#end;
    active.endPosition = end.position;
    const isWhole = active.lastWrittenIndex === end.index;
    invariant(isWhole, 'a segment is sealed with exactly its durable records');
    await this.#segmentFiles.seal(active, this.#handle, end.sequence + 1, end.chain);
    end.sequence++;
    end.active = undefined;
    this.onSeal(active);
    await this.#handle?.close();
    this.#handle = undefined;
  }

  /** Whether a batch may be issued into the segment: it is the active one, and the state names it. */
  #takes(segment: Segment): boolean {
    return segment === this.#end.active && segment.id === this.#namedId;
  }

  /** Durability: before a record is acknowledged, the state says which segment must be there for it. */
  async #name(segment: Segment): Promise<void> {
    if (segment.id === this.#namedId) return;
    const newest = { segmentId: segment.id, baseIndex: segment.baseIndex };
    await this.#state.saveOnce({ newest });
    this.#namedId = segment.id;
  }

  /**
   * Durability: the new segment's name is the commit point. Before it is durable nothing is cut; after it
   * every open takes the old records out, whether their files could be unlinked or not.
   */
  async #truncate(truncation: Truncation): Promise<void> {
    const { segment, voided, settled } = truncation;
    const durableIndex = segment.baseIndex - 1;
    // Safety: before it, or a crash just after it would look like the loss of what was cut.
    if (this.#state.current.durableIndex > durableIndex) await this.#state.save({ durableIndex });
    await this.#moveTo(segment);
    // Safety: the truncation has happened, so a full disk cannot withdraw it. The next batch names the segment then, and the
    // next open removes the files.
    await this.#name(segment).catch(ignoreNoSpace);
    const { files } = this.#settings.env;
    for (const old of voided) {
      if (old.state === 'planned') continue;
      this.onUnlink(old);
      await files.unlink(old.path).catch(ignoreNoSpace);
    }
    if (voided.length > 0) {
      await files.syncDirectory(this.#settings.directory).catch(ignoreNoSpace);
    }
    settled.resolve();
  }

  async #recover(item: QueueItem, cause: unknown): Promise<void> {
    if (!isFileError(cause, 'NO_SPACE')) {
      this.#poison(cause, item);
      return;
    }
    try {
      await this.#cleanEnd(this.#inFlight.length === 0);
    } catch (second) {
      this.#poison(second, item);
      return;
    }
    const { active, position, index } = this.#end;
    const withdrawn = this.#queue.withdraw(item, active, position, index);
    this.#durableIndex = index;
    if (active !== undefined) this.#cache.dropFrom(active.id, position);
    settleAll(withdrawn, noSpace(cause));
  }

  /**
   * Makes sure that nothing of what was withdrawn is ever found again. A batch without its header is
   * nothing, so zeros in its first block undo it; a footer ends with a trailer, which only cutting the
   * file undoes for certain.
   *
   * Safety: the second batch goes first. Without its header it is nothing whatever becomes of the first;
   * left alone it would be taken for good if the first were written again just as it was.
   */
  async #cleanEnd(cutFile: boolean): Promise<void> {
    const handle = this.#handle;
    if (this.#end.active === undefined || handle === undefined) return;
    const { position } = this.#end;
    if (!cutFile) {
      try {
        const zeros = this.#settings.env.files.allocate(BLOCK_BYTES);
        for (const { batch } of this.#inFlight.toReversed()) {
          await handle.writeSynced(zeros, batch.position);
        }
        return;
      } catch (error) {
        if (!isFileError(error, 'NO_SPACE')) throw error;
      }
    }
    await handle.truncate(position);
    await handle.sync();
    this.#end.active.fileSizeBytes = position;
  }

  #poison(cause: unknown, item: QueueItem | undefined): void {
    this.#failure ??= poisoned(cause);
    settleAll(this.#queue.giveUp(item), this.#failure);
  }

  #hasBetterFile(segment: Segment): boolean {
    return (
      this.#segmentFiles.spares.isReady &&
      segment.state === 'active' &&
      segment.recordCount > 0 &&
      segment.fileSizeBytes < this.#settings.segmentSizeBytes &&
      segment.fileSizeBytes <= segment.endPosition
    );
  }
}

function settleAll(items: readonly QueueItem[], error: WalError): void {
  for (const item of items) {
    if (item instanceof PendingBatch) {
      item.reject(error);
      item.release();
    } else {
      item.settled.reject(error);
    }
  }
}
