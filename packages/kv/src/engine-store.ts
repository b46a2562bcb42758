import type { Env } from '@holdfast/env';
import type { WalIdentity } from '@holdfast/wal';
import { parseSegmentName } from '@holdfast/wal';
import { pinFiles, removePins } from './backup/pinned-files.ts';
import type { BackupReport, BackupRequest } from './backup/take-backup.ts';
import { refuseOwnFolder, takeBackup } from './backup/take-backup.ts';
import type { Committer, CommitterContext } from './committer.ts';
import type { CompactionProgress, CompactionReport } from './compactor.ts';
import { KvError } from './errors.ts';
import { extentReader, heldReader } from './extent-files.ts';
import { fileIdOf, segmentIdOfFile } from './extent-format.ts';
import { StoreImages } from './image/store-images.ts';
import type { StoreDamage } from './inspect-damage.ts';
import type {
  KvCursor,
  KvEntry,
  KvEntryWithValue,
  LocalReads,
  ReadView,
  ScanOptions,
  ScanPage,
  Transaction,
  TransactResult,
} from './kv-store.ts';
import { VALUE_SIZE_LIMIT_BYTES } from './limits.ts';
import type { LocalRecovery, Recovered } from './local-recovery.ts';
import type { LocalStore } from './local-store.ts';
import type { CompactionSettings } from './maintenance.ts';
import { Maintenance } from './maintenance.ts';
import { EngineView } from './read-view.ts';
import { ReaderPins } from './reader-pins.ts';
import { repairingReader } from './repairing-reader.ts';
import { checkTransaction } from './request-check.ts';
import type { HealReport } from './segment-healing.ts';
import type { SpaceReserve } from './space-reserve.ts';
import { StateReads } from './state-reads.ts';
import type { LocalStoreStatus } from './store-status.ts';
import type { ReadExtent } from './value-reader.ts';

export interface StoreLimits {
  readonly directory: string;
  readonly memtableSizeBytes: number;
  readonly replaySizeBytes: number;
  readonly flushThreadSizeBytes: number;
  readonly mergeThreadSizeBytes: number;
  readonly waitingSizeLimitBytes: number;
  readonly compaction: CompactionSettings;
  readonly onFailure: ((error: KvError) => void) | undefined;
}

/** A store on one node's folder. How a transaction is committed is its committer's matter, everything else is here. */
export class EngineStore implements LocalStore {
  readonly valueSizeLimitBytes: number = VALUE_SIZE_LIMIT_BYTES;
  readonly identity: WalIdentity;
  readonly recovery: LocalRecovery;
  readonly images: StoreImages;
  readonly local: LocalReads | undefined;
  readonly #env: Env;
  readonly #recovered: Recovered;
  readonly #reserve: SpaceReserve;
  readonly #committer: Committer;
  readonly #maintenance: Maintenance;
  readonly #reads: StateReads;
  readonly #pins: ReaderPins;
  readonly #views = new Set<EngineView>();
  readonly #readExtent: ReadExtent;
  readonly #held: ReturnType<typeof heldReader>;
  readonly #directory: string;
  #backup: Promise<unknown> | undefined;
  #damagedExtents = 0;
  #closing: Promise<void> | undefined;

  constructor(
    env: Env,
    recovered: Recovered,
    reserve: SpaceReserve,
    limits: StoreLimits,
    openCommitter: (context: CommitterContext) => Committer,
  ) {
    const { wal, engine } = recovered;
    this.identity = recovered.identity;
    this.recovery = recovered.report;
    this.#env = env;
    this.#directory = limits.directory;
    this.#recovered = recovered;
    this.#reserve = reserve;
    this.#pins = new ReaderPins(() => engine.space.moment);
    this.#held = heldReader(wal);
    this.#readExtent = repairingReader({
      read: extentReader(wal, engine.extents),
      bodyChecksum: env.bodyChecksum,
      findElsewhere: async (name) => this.#committer.findElsewhere?.(name),
      onDamaged: () => this.#damagedExtents++,
      onRepaired: (segmentId) => this.#maintenance.healLater(segmentId),
    });
    this.#maintenance = new Maintenance(
      {
        env,
        wal,
        engine,
        pins: this.#pins,
        readExtent: this.#readExtent,
        compaction: limits.compaction,
        memtableSizeBytes: limits.memtableSizeBytes,
        replaySizeBytes: limits.replaySizeBytes,
        flushThreadSizeBytes: limits.flushThreadSizeBytes,
        mergeThreadSizeBytes: limits.mergeThreadSizeBytes,
        releasable: (flushedIndex) => this.#committer.releasable(flushedIndex),
        onFailure: (cause) => this.#committer.fail(cause),
      },
      recovered.report.replayedBytes,
    );
    this.images = new StoreImages({
      env,
      directory: limits.directory,
      identity: this.identity,
      wal,
      engine,
      pins: this.#pins,
      readExtent: this.#readExtent,
      quiesced: (body) => this.#maintenance.quiesced(body),
      onFailure: (cause) => this.#committer.fail(cause),
    });
    this.#committer = openCommitter({
      wal,
      engine,
      images: this.images,
      crc32c: env.crc32c,
      bodyChecksum: env.bodyChecksum,
      clock: env.clock,
      waitingSizeLimitBytes: limits.waitingSizeLimitBytes,
      whenRoom: () => this.#maintenance.whenRoom() ?? this.#whenLessScarce(),
      onApplied: (sizeBytes) => this.#maintenance.noteApplied(sizeBytes),
      onNoSpace: () => this.#reserve.noteFull(),
      onFailure: limits.onFailure,
    });
    this.#reads = this.#readsOf(this.#committer);
    this.local = this.#committer.whenCurrent === undefined ? undefined : this.#reads;
  }

  #readsOf(committer: Committer): StateReads {
    return new StateReads({
      engine: this.#recovered.engine,
      pins: this.#pins,
      readExtent: this.#readExtent,
      held: this.#held,
      checkOpen: () => this.#checkOpen(),
      openView: () => this.#openView(),
      whenCurrent: async () => committer.whenCurrent?.(),
    });
  }

  async transact(transaction: Transaction): Promise<TransactResult> {
    this.#checkOpen();
    const sizeBytes = checkTransaction(transaction);
    try {
      this.#reserve.check(transaction, sizeBytes);
    } catch (error) {
      void this.#maintenance.makeRoom();
      throw error;
    }
    return await this.#committer.submit(transaction);
  }

  /** What deletes wait for on a volume that is almost full; undefined where they may go on. */
  #whenLessScarce(): Promise<void> | undefined {
    return this.#reserve.isScarce ? this.#maintenance.makeRoom() : undefined;
  }

  get(key: Uint8Array): Promise<KvEntryWithValue | undefined> {
    return this.#whenCurrent(() => this.#reads.get(key));
  }

  getInto(key: Uint8Array, target: Uint8Array): Promise<KvEntry | undefined> {
    return this.#whenCurrent(() => this.#reads.getInto(key, target));
  }

  scan(options: ScanOptions): Promise<ScanPage> {
    return this.#whenCurrent(() => this.#reads.scan(options));
  }

  cursor(options: Omit<ScanOptions, 'limit'>): Promise<KvCursor> {
    return this.#whenCurrent(() => this.#reads.cursor(options));
  }

  readView(options: { readonly maxAgeMs?: number } = {}): Promise<ReadView> {
    return this.#whenCurrent(() => this.#reads.readView(options));
  }

  /** Runs a read when it sees everything that was committed when it was called. */
  #whenCurrent<Result>(read: () => Promise<Result>): Promise<Result> {
    const { local } = this;
    // A closed store refuses by itself.
    if (local === undefined || this.#closing !== undefined) return read();
    return local.whenCurrent().then(read);
  }

  async flush(): Promise<void> {
    this.#checkOpen();
    await this.#maintenance.flush();
  }

  async compact(onProgress?: CompactionProgress): Promise<CompactionReport> {
    this.#checkOpen();
    return this.#maintenance.compact(onProgress);
  }

  async collect(): Promise<void> {
    this.#checkOpen();
    await this.#maintenance.removeSegments();
  }

  async heal({ file }: Pick<StoreDamage, 'file'>): Promise<HealReport> {
    this.#checkOpen();
    const name = file.slice(file.indexOf('/') + 1);
    const fileId = fileIdOf(name);
    const segmentId =
      fileId === undefined ? parseSegmentName(name)?.segmentId : segmentIdOfFile(fileId);
    if (segmentId === undefined) return { movedBytes: 0, lostValues: 0 };
    return this.#maintenance.heal(new Set([segmentId]));
  }

  async sync(): Promise<void> {
    this.#checkOpen();
    await this.#committer.drain();
    await this.#recovered.wal.sync();
  }

  async backup(request: BackupRequest): Promise<BackupReport> {
    this.#checkOpen();
    if (this.#backup !== undefined) throw new KvError('KV_BUSY', 'a backup is running already');
    refuseOwnFolder(this.#directory, request.to);
    const backup = this.#runBackup(request);
    this.#backup = backup.catch(() => undefined);
    try {
      return await backup;
    } finally {
      this.#backup = undefined;
    }
  }

  async #runBackup(request: BackupRequest): Promise<BackupReport> {
    const { identity } = this;
    const { wal, engine } = this.#recovered;
    const directory = this.#directory;
    const pin = { env: this.#env, directory, identity, wal, index: engine.index };
    try {
      const pinned = await this.#maintenance.quiesced(() => pinFiles(pin));
      return await takeBackup(this.#env, pinned, request, () => {
        if (this.#closing !== undefined)
          throw new KvError('KV_CLOSED', 'the store is being closed');
      });
    } finally {
      await removePins(this.#env, directory);
    }
  }

  status(): LocalStoreStatus {
    const { wal, engine } = this.#recovered;
    const { index, space } = engine;
    const segments = wal
      .segments()
      .map((segment) => ({ ...segment, liveBytes: space.liveBytes(segment.segmentId) }));
    const extentFiles = engine.extents.all().map(({ id, path, listing }) => ({
      segmentId: id,
      path,
      sizeBytes: listing.sizeBytes,
      liveBytes: space.liveBytes(id),
    }));
    const tableBytes = sum(index.tables.map((table) => table.sizeBytes));
    const memtableBytes = index.memtableSizeBytes + index.frozenSizeBytes;
    const indexMemory =
      memtableBytes + index.cachedBytes + sum(index.tables.map((table) => table.memoryBytes));
    const { unflushedBytes, ...counters } = this.#maintenance.counters;
    return {
      revision: engine.appliedIndex,
      flushedIndex: engine.flushedIndex,
      memtableBytes,
      tableCount: index.tables.length,
      tableBytes,
      tableEntries: sum(index.tables.map((table) => table.properties.entryCount)),
      segments,
      extentFiles,
      liveBytes: sum([...segments, ...extentFiles].map(({ liveBytes }) => liveBytes)),
      deadBytes:
        sum(segments.map(({ payloadBytes, liveBytes }) => payloadBytes - liveBytes)) +
        sum(extentFiles.map(({ sizeBytes, liveBytes }) => sizeBytes - liveBytes)),
      ...this.#compactionStatus(),
      unflushedLogBytes: unflushedBytes,
      ...counters,
      validationErrors: this.#damagedExtents + index.damagedBlocks,
      sessions: engine.sessionCount,
      openReaders: this.#pins.count,
      waitingBytes: this.#committer.waitingBytes,
      blockCacheBytes: index.cachedBytes,
      estimatedMemoryBytes: indexMemory + this.#committer.waitingBytes + wal.estimatedMemoryBytes(),
      wal: wal.stats(),
    };
  }

  #compactionStatus(): Pick<
    LocalStoreStatus,
    'rewrittenSegments' | 'movedBytes' | 'compactionDebtBytes' | 'damagedSegments'
  > {
    const { compactor } = this.#maintenance;
    return { ...compactor.counters, compactionDebtBytes: compactor.debtBytes };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { wal, engine, unlock } = this.#recovered;
    await this.#backup;
    // Why first: what is written may wait for a flush, and that for a merge, which is not worth waiting for.
    await this.#maintenance.stopMerging();
    await this.#committer.close();
    for (const view of this.#views) view.close();
    await this.images.close();
    await this.#maintenance.stop();
    await this.#reserve.stop();
    try {
      await engine.close();
      await wal.close();
    } finally {
      await unlock();
    }
  }

  #openView(): EngineView {
    this.#checkOpen();
    const { engine } = this.#recovered;
    const view: EngineView = new EngineView(
      {
        clock: this.#env.clock,
        readExtent: this.#readExtent,
        pins: this.#pins,
        onClose: () => this.#views.delete(view),
      },
      engine.index.snapshot(),
      engine.appliedIndex,
    );
    this.#views.add(view);
    return view;
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw new KvError('KV_CLOSED', 'the store is closed');
    if (this.#committer.failure !== undefined) throw this.#committer.failure;
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
