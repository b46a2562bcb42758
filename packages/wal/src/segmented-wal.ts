import { type LogIndex, logIndex, type Term, term } from '@holdfast/bytes';
import type { FileLock, Timer } from '@holdfast/env';
import { AppendQueue } from './append-queue.ts';
import type { BufferPool } from './buffer-pool.ts';
import { isFileError, noSpace } from './damage.ts';
import { WalError } from './errors.ts';
import type { LogWriter } from './log-writer.ts';
import type { RecordReader } from './record-reader.ts';
import type { SegmentFiles } from './segment-files.ts';
import type { SegmentList } from './segment-list.ts';
import type { Settings } from './settings.ts';
import type { StateSaver } from './state-saver.ts';
import type {
  Appended,
  AppendRequest,
  Extent,
  HardState,
  RecoveryReport,
  SegmentInfo,
  Wal,
  WalRecord,
  WalRecordWithBody,
  WalStats,
} from './wal.ts';

/** After so long without an append, a mark is written, and files are filled for the next burst. */
const IDLE_MARK_AFTER_MS = 1000;

/** The parts of an open log, made by `openWal`. */
export interface WalParts {
  readonly settings: Settings;
  readonly list: SegmentList;
  readonly queue: AppendQueue;
  readonly writer: LogWriter;
  readonly reader: RecordReader;
  readonly state: StateSaver;
  readonly segmentFiles: SegmentFiles;
  readonly pool: BufferPool;
  readonly lock: FileLock;
  readonly recovery: RecoveryReport;
}

/** The log of one node in one folder. Puts the parts together, and says when each may be used. */
export class SegmentedWal implements Wal {
  readonly recovery: RecoveryReport;
  readonly #parts: WalParts;
  readonly #durable: Promise<void> = Promise.resolve();
  /** Of segments that were removed from the log. */
  readonly #toUnlink = new Set<string>();
  #writableWaiters: PromiseWithResolvers<void>[] = [];
  #closing: Promise<void> | undefined;
  #idleTimer: Timer | undefined;
  #lastAppendMs = 0;

  constructor(parts: WalParts) {
    this.#parts = parts;
    this.recovery = parts.recovery;
    parts.writer.onProgress = () => this.#wakeWriters();
    parts.writer.onIdle = () => this.#armIdleTimer();
    parts.writer.onSeal = (segment) => parts.reader.sealed(segment);
    parts.writer.onUnlink = (segment) => parts.reader.drop(segment);
  }

  get firstIndex(): LogIndex {
    return logIndex(this.#parts.list.firstIndex);
  }

  get retainedIndex(): LogIndex {
    return logIndex(this.#parts.list.retainedIndex);
  }

  get lastIndex(): LogIndex {
    return logIndex(this.#parts.list.lastIndex);
  }

  get durableIndex(): LogIndex {
    return logIndex(this.#parts.writer.durableIndex);
  }

  get hardState(): HardState {
    return this.#parts.state.current.hardState;
  }

  append(request: AppendRequest): Appended {
    const refusal = this.#refusal();
    if (refusal !== undefined) throw refusal;
    const { queue, writer } = this.#parts;
    const appended = queue.append(request);
    writer.kick();
    return appended as Appended;
  }

  whenDurable(index: LogIndex): Promise<void> {
    const refusal = this.#refusal();
    if (refusal !== undefined) return Promise.reject(refusal);
    const { queue, writer } = this.#parts;
    if (index <= writer.durableIndex) return this.#durable;
    const batch = queue.batchOf(index);
    return batch === undefined
      ? Promise.reject(notInLog(index, this.lastIndex))
      : batch.whenSettled(index);
  }

  sync(): Promise<void> {
    const { list, writer } = this.#parts;
    const refusal = this.#refusal();
    if (refusal !== undefined) return Promise.reject(refusal);
    return list.lastIndex > writer.durableIndex ? this.whenDurable(this.lastIndex) : this.#durable;
  }

  whenWritable(): Promise<void> {
    const refusal = this.#refusal();
    if (refusal !== undefined) return Promise.reject(refusal);
    if (this.#isWritable()) return this.#durable;
    const waiter = Promise.withResolvers<void>();
    this.#writableWaiters.push(waiter);
    return waiter.promise;
  }

  termAt(index: LogIndex): Term | undefined {
    const found = this.#parts.list.termAt(index);
    return found === undefined ? undefined : term(found);
  }

  async read(index: LogIndex): Promise<WalRecordWithBody> {
    this.#assertOpen();
    return await this.#parts.reader.read(index);
  }

  async readRange(from: LogIndex, to: LogIndex, limitBytes: number): Promise<WalRecordWithBody[]> {
    this.#assertOpen();
    return await this.#parts.reader.readRange(from, to, limitBytes);
  }

  replay(from: LogIndex): AsyncIterable<WalRecord> {
    this.#assertOpen();
    return this.#parts.reader.replay(from);
  }

  segmentRecords(segmentId: number): AsyncIterable<WalRecord> {
    this.#assertOpen();
    return this.#parts.reader.segmentRecords(segmentId);
  }

  heldExtent(extent: Extent): Uint8Array | undefined {
    this.#assertOpen();
    return this.#parts.reader.heldExtent(extent);
  }

  async readExtent(extent: Extent, target?: Uint8Array): Promise<Uint8Array> {
    this.#assertOpen();
    return await this.#parts.reader.readExtent(extent, target);
  }

  async truncateSuffix(from: LogIndex): Promise<void> {
    this.#assertUsable();
    const { list, writer, state } = this.#parts;
    if (from > list.lastIndex) return;
    if (from < list.firstIndex) throw notInLog(from, this.lastIndex);
    const { commitIndex } = state.current.hardState;
    if (from <= commitIndex) {
      throw new WalError(
        'WAL_TRUNCATES_COMMITTED',
        `Record ${from} is committed (up to ${commitIndex}): cutting it would forget an acknowledged write. ` +
          'Stop this node and compare it with its peers.',
      );
    }
    await writer.truncate(from);
  }

  async releasePrefix(upTo: LogIndex): Promise<void> {
    this.#assertUsable();
    const { list, state } = this.#parts;
    if (upTo < list.firstIndex) return;
    if (upTo > list.lastIndex) throw notInLog(upTo, this.lastIndex);
    await this.whenDurable(upTo);
    this.#assertUsable();
    const termBefore = list.termAt(upTo);
    if (termBefore === undefined || upTo < list.firstIndex) return;
    await this.#saving(() => state.save({ firstIndex: upTo + 1, termBefore }));
    if (upTo < list.firstIndex) return;
    list.firstIndex = upTo + 1;
    list.termBefore = termBefore;
  }

  async restartAfter(index: LogIndex, termBefore: Term): Promise<void> {
    this.#assertUsable();
    const { list, writer, state } = this.#parts;
    const { commitIndex } = state.current.hardState;
    if (index < commitIndex || index < list.firstIndex - 1) {
      throw new WalError(
        'WAL_TRUNCATES_COMMITTED',
        `The log cannot begin anew after record ${index}: what follows up to ${commitIndex} is committed.`,
      );
    }
    const firstIndex = index + 1;
    await writer.restart(firstIndex, termBefore);
    await this.#saving(() => state.save({ firstIndex, termBefore }, index));
    list.firstIndex = firstIndex;
    list.termBefore = termBefore;
  }

  async removeSegments(segmentIds: readonly number[]): Promise<void> {
    this.#assertUsable();
    const { list, settings, reader } = this.#parts;
    const { files } = settings.env;
    const segments = [...new Set(segmentIds)].map((id) => {
      const segment = list.byId(id);
      if (segment !== undefined && list.isReleased(segment)) return segment;
      throw new WalError(
        'WAL_INDEX_NOT_FOUND',
        `Segment ${id} is not a released segment of this log.`,
      );
    });
    if (segments.length === 0) return;
    list.replace(list.all.filter((segment) => !segments.includes(segment)));
    for (const segment of segments) {
      reader.drop(segment);
      this.#toUnlink.add(segment.path);
    }
    for (const path of this.#toUnlink) {
      this.#toUnlink.delete(path);
      await files.unlink(path).catch((error: unknown) => {
        this.#toUnlink.add(path);
        throw error;
      });
    }
    await files.syncDirectory(settings.directory);
  }

  segments(): readonly SegmentInfo[] {
    const { list } = this.#parts;
    return list.all
      .filter(({ state }) => state !== 'planned')
      .map((segment) => ({
        segmentId: segment.id,
        path: segment.path,
        firstIndex: logIndex(segment.baseIndex),
        lastIndex: logIndex(segment.lastIndex),
        sizeBytes: segment.fileSizeBytes,
        payloadBytes: segment.payloadBytes,
        sealed: segment.state === 'sealed',
        released: list.isReleased(segment),
        createdMs: segment.createdMs,
      }));
  }

  async saveHardState(hardState: HardState): Promise<void> {
    this.#assertUsable();
    const { state, writer } = this.#parts;
    await this.#saving(() => state.save({ hardState }, writer.durableIndex));
  }

  estimatedMemoryBytes(): number {
    const { list, reader, pool } = this.#parts;
    const active = list.last?.state === 'sealed' ? 0 : (list.last?.offsets?.sizeBytes ?? 0);
    return reader.memoryBytes + pool.sizeBytes + active + 512 * list.all.length;
  }

  stats(): WalStats {
    const { writer, queue, list, reader, segmentFiles } = this.#parts;
    return {
      ...writer.counters,
      appendLatencyMs: writer.histograms.appendLatencyMs.counts,
      syncLatencyMs: writer.histograms.syncLatencyMs.counts,
      batchBytes: writer.histograms.batchBytes.counts,
      pendingBytes: queue.pendingBytes,
      sizeBytes: list.all.reduce((sum, { fileSizeBytes }) => sum + fileSizeBytes, 0),
      spareBytes: segmentFiles.spares.sizeBytes,
      cachedBytes: reader.cachedBytes,
    };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { writer, reader, state, lock } = this.#parts;
    this.#idleTimer?.cancel();
    try {
      await writer.whenIdle();
      await writer.mark();
      if (writer.failure === undefined && writer.durableIndex > state.current.durableIndex) {
        // What fails here is only the knowledge that the next open could check the end of the log by.
        await state.saveOnce({ durableIndex: writer.durableIndex }).catch(() => undefined);
      }
      await state.close();
      await writer.close();
      await reader.close();
    } finally {
      for (const waiter of this.#writableWaiters.splice(0)) waiter.reject(closed());
      await lock.release();
    }
  }

  /** Runs a save of the hard state. Its failure is as bad as that of a batch. */
  async #saving(save: () => Promise<void>): Promise<void> {
    try {
      await save();
    } catch (cause) {
      if (isFileError(cause, 'NO_SPACE')) throw noSpace(cause);
      this.#parts.writer.poison(cause);
      throw this.#parts.writer.failure ?? cause;
    }
  }

  #refusal(): WalError | undefined {
    if (this.#parts.writer.failure !== undefined) return this.#parts.writer.failure;
    return this.#closing === undefined ? undefined : closed();
  }

  #assertUsable(): void {
    const refusal = this.#refusal();
    if (refusal !== undefined) throw refusal;
  }

  /** Reads of what is durable stay possible on a poisoned log. */
  #assertOpen(): void {
    if (this.#closing !== undefined) throw closed();
  }

  #isWritable(): boolean {
    const { queue, settings } = this.#parts;
    return queue.pendingBytes * 2 < settings.pendingSizeLimitBytes;
  }

  #wakeWriters(): void {
    const refusal = this.#refusal();
    if (refusal === undefined && !this.#isWritable()) return;
    for (const waiter of this.#writableWaiters.splice(0)) {
      if (refusal === undefined) waiter.resolve();
      else waiter.reject(refusal);
    }
  }

  async #onIdleTime(): Promise<void> {
    const { writer } = this.#parts;
    await writer.mark();
    await writer.fillSpares();
  }

  /** One timer for all appends: at its end it looks whether the log was idle all the time. */
  #armIdleTimer(): void {
    const { clock } = this.#parts.settings.env;
    this.#lastAppendMs = clock.monotonicMs();
    if (this.#idleTimer !== undefined || this.#closing !== undefined) return;
    if (this.#parts.writer.failure !== undefined || this.#parts.writer.endsWithMark) return;
    const check = (): void => {
      this.#idleTimer = undefined;
      if (this.#closing !== undefined) return;
      const leftMs = this.#lastAppendMs + IDLE_MARK_AFTER_MS - clock.monotonicMs();
      if (leftMs > 0) this.#idleTimer = clock.setTimer(leftMs, check);
      else void this.#onIdleTime();
    };
    this.#idleTimer = clock.setTimer(IDLE_MARK_AFTER_MS, check);
  }
}

function closed(): WalError {
  return new WalError('WAL_CLOSED', 'The log is closed. Open it again to use it.');
}

function notInLog(index: number, lastIndex: number): WalError {
  return new WalError(
    'WAL_INDEX_NOT_FOUND',
    `Record ${index} is not in the log, which ends with ${lastIndex}.`,
  );
}
