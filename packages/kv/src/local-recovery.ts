import { NewerBytesError } from '@holdfast/bytes';
import type { Clock, Env } from '@holdfast/env';
import { FileError, makeDurableDirectory } from '@holdfast/env';
import type { RecoveryReport, Wal, WalIdentity, WalOptions, WalRecord } from '@holdfast/wal';
import { openWal } from '@holdfast/wal';
import type { StoreSeam } from './committer.ts';
import { KV_ENTRY_KIND, NEWEST_ENTRY_KIND } from './entry-codec.ts';
import { corruption, KvError, newerRecord } from './errors.ts';
import { completeInstall, tidyIncoming } from './image/install-image.ts';
import type { HealedFile } from './index-healing.ts';
import { openIndex, refuseMissingSegments } from './index-healing.ts';
import type { KvEngine } from './kv-engine.ts';
import { MANIFEST_NAME } from './manifest.ts';
import { loadIdentity, noteLogMade, refuseLostLog } from './node-identity.ts';
import type { CommittedRecord } from './prepared-record.ts';
import { openError } from './wal-failure.ts';

/** What is read during replay before it is applied: so many records, or bytes of their heads. */
const REPLAY_BATCH_RECORDS = 512;
const REPLAY_BATCH_BYTES: number = 4 * 1024 * 1024;

export interface LocalRecovery {
  readonly wal: RecoveryReport;
  /** Records of the log that were applied again. */
  readonly replayedRecords: number;
  readonly replayedBytes: number;
  readonly tables: number;
  /** Files of the index that an interrupted change had left behind. */
  readonly removedFiles: readonly string[];
  /** Damaged files of the index whose content was made again from the log. */
  readonly healed: readonly HealedFile[];
  readonly durationMs: number;
  /** How long each step took, in order. */
  readonly steps: readonly RecoveryStep[];
}

export interface RecoveryStep {
  /**
   * `identity`: node.json. `log`: segments and state. `index`: MANIFEST, tables. `heal`: only where something was
   * healed. `tidy`: left-over files.
   */
  readonly name: 'identity' | 'log' | 'index' | 'replay' | 'heal' | 'tidy';
  readonly durationMs: number;
}

export interface RecoverRequest {
  readonly env: Env;
  readonly directory: string;
  readonly identity: WalIdentity | undefined;
  readonly wal: Omit<WalOptions, 'env' | 'directory' | 'identity'>;
  readonly engine: {
    readonly blockCacheSizeBytes: number;
    readonly tableCountLimit: number;
    readonly sessionLimit: number;
  };
  readonly memtableSizeBytes: number;
  /** For a look at a damaged folder: segments may be missing, and their values with them. Default false. */
  readonly acceptMissing?: boolean;
  /** What of the log is committed, and what its other records mean. Default: all, and nothing. */
  readonly seam?: Pick<StoreSeam, 'committedIndex' | 'applyForeign' | 'hashesState'>;
}

export interface Recovered {
  readonly identity: WalIdentity;
  readonly wal: Wal;
  readonly engine: KvEngine;
  readonly report: LocalRecovery;
  /** Gives the folder back to other processes. */
  readonly unlock: () => Promise<void>;
}

/** Opens a node's folder: identity, log, index, and the tail of the log applied on top. */
export async function recover(request: RecoverRequest): Promise<Recovered> {
  const { env, directory } = request;
  const undo: (() => Promise<void>)[] = [];
  try {
    await makeDurableDirectory(env.files, directory);
    const lock = await env.files.lock(`${directory}/LOCK`);
    undo.push(() => lock.release());
    return await recoverLocked(request, undo, () => lock.release());
  } catch (cause) {
    for (const step of undo.reverse()) await step();
    if (cause instanceof FileError && cause.code === 'FILE_LOCKED') {
      throw new KvError('KV_UNAVAILABLE', `another process has ${directory} open`, { cause });
    }
    throw openError(cause);
  }
}

async function recoverLocked(
  request: RecoverRequest,
  undo: (() => Promise<void>)[],
  unlock: () => Promise<void>,
): Promise<Recovered> {
  const { env, directory } = request;
  const steps = new StepTimes(env.clock);
  const found = await loadIdentity(env, directory, request.identity);
  const { identity } = found;
  await refuseLostLog(env, directory, found);
  steps.done('identity');
  const walDirectory = `${directory}/wal`;
  const wal = await openWal({ ...request.wal, env, directory: walDirectory, identity });
  undo.push(() => wal.close());
  steps.done('log');
  const indexDirectory = `${directory}/kv`;
  await makeDurableDirectory(env.files, indexDirectory);
  const hashesState = request.seam?.hashesState === true;
  const options = { ...request.engine, env, directory: indexDirectory, identity, hashesState };
  const { engine, damaged } = await openIndex(options, wal);
  undo.push(() => engine.close());
  steps.done('index');
  await completeInstall(wal, engine);
  refuseGap(wal, engine, indexDirectory, walDirectory);
  const isBehind = engine.flushedIndex + 1 < wal.firstIndex;
  const replayed = await replay(wal, engine, request);
  steps.done('replay');
  if (request.acceptMissing !== true) {
    refuseMissingSegments(wal, engine, walDirectory, damaged);
  }
  const healed = [...damaged];
  if (isBehind || damaged.length > 0) {
    if (damaged.length === 0) healed.push(lostEdit(indexDirectory));
    await commitHealed(engine);
    steps.done('heal');
  }
  const tables = engine.index.tables.length;
  // Safety: only now, when all that is listed was found whole, is anything written for good, and are files removed.
  await engine.index.complete();
  await noteLogMade(env, directory, found);
  const removedFiles = await engine.index.removeUnlisted();
  await tidyIncoming({ env, directory, engine });
  steps.done('tidy');
  const { durationMs } = steps;
  const report = {
    wal: wal.recovery,
    ...replayed,
    tables,
    removedFiles,
    healed,
    durationMs,
    steps: steps.all,
  };
  return { identity, wal, engine, report, unlock };
}

/** Takes the time of step after step. */
class StepTimes {
  readonly #clock: Clock;
  readonly #startMs: number;
  #lastMs: number;
  readonly all: RecoveryStep[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#startMs = clock.monotonicMs();
    this.#lastMs = this.#startMs;
  }

  get durationMs(): number {
    return this.#lastMs - this.#startMs;
  }

  done(name: RecoveryStep['name']): void {
    const nowMs = this.#clock.monotonicMs();
    this.all.push({ name, durationMs: nowMs - this.#lastMs });
    this.#lastMs = nowMs;
  }
}

/** Safety: index and log must meet, or acknowledged transactions are missing between them. */
function refuseGap(wal: Wal, engine: KvEngine, indexPath: string, walPath: string): void {
  const { flushedIndex } = engine;
  const { durableIndex } = engine.index;
  if (wal.lastIndex < durableIndex) {
    throw corruption(
      walPath,
      `the log ends at record ${wal.lastIndex}, and the index holds record ${durableIndex}: the log's end is lost`,
    );
  }
  if (wal.retainedIndex > flushedIndex + 1) {
    throw corruption(
      `${indexPath}/${MANIFEST_NAME}`,
      `the index ends at record ${flushedIndex}, and the log begins at ${wal.retainedIndex}: the index's end is lost`,
    );
  }
}

/** The log was released further than the MANIFEST says, so an edit that was committed is not there any more. */
function lostEdit(indexPath: string): HealedFile {
  const path = `${indexPath}/${MANIFEST_NAME}`;
  return { path, problem: `${path}: its last edit was committed and is lost` };
}

/**
 * Durability: in one step, before anything is removed. A crash before it leaves the damaged folder as it was, and
 * one after it a folder that is whole.
 */
async function commitHealed(engine: KvEngine): Promise<void> {
  if (engine.flushedIndex < engine.appliedIndex) {
    // Where an earlier one waits for room, it goes first.
    while (!engine.freeze()) await engine.index.flush();
    await engine.index.flush();
  }
  await engine.index.settle();
}

/** Why: a volume that is full must not keep the store from opening. What was not flushed stays in memory. */
function ignoreNoSpace(cause: unknown): void {
  if (!(cause instanceof FileError) || cause.code !== 'NO_SPACE') throw cause;
}

/**
 * The record up to which the start applies. Why not only what is known to be committed: the log's state may remember less than was
 * released, which was applied once, and an older state of the index needs it again.
 */
function lastCommitted(wal: Wal, seam: RecoverRequest['seam']): number {
  const known = seam?.committedIndex(wal) ?? wal.lastIndex;
  return Math.max(known, wal.firstIndex - 1);
}

/**
 * Passes over what a cluster has agreed on beside transactions, in the log of a node that was restored as a store of its own.
 * KV_INCOMPATIBLE where only a newer Holdfast knows what it is.
 */
export function passOver(engine: KvEngine, { index, kind }: WalRecord): void {
  if (kind > NEWEST_ENTRY_KIND) {
    throw newerRecord(index, new NewerBytesError('an entry of kind', kind, NEWEST_ENTRY_KIND));
  }
  engine.skip(index);
}

async function replay(
  wal: Wal,
  engine: KvEngine,
  { memtableSizeBytes, seam }: RecoverRequest,
): Promise<{ readonly replayedRecords: number; readonly replayedBytes: number }> {
  let replayedRecords = 0;
  let replayedBytes = 0;
  let batch: CommittedRecord[] = [];
  let batchBytes = 0;
  const applyBatch = async (): Promise<void> => {
    await engine.applyBatch(batch);
    batch = [];
    batchBytes = 0;
    if (engine.index.memtableSizeBytes < memtableSizeBytes) return;
    engine.freeze();
    await engine.index.flush().catch(ignoreNoSpace);
  };
  const from = (engine.flushedIndex + 1) as typeof wal.lastIndex;
  const last = lastCommitted(wal, seam);
  if (from > last) return { replayedRecords, replayedBytes };
  for await (const record of wal.replay(from)) {
    if (record.index > last) break;
    replayedRecords++;
    replayedBytes += record.head.length + (record.body?.length ?? 0);
    if (record.kind === KV_ENTRY_KIND) {
      batch.push(record);
      batchBytes += record.head.length;
    } else {
      await applyBatch();
      if (seam === undefined) passOver(engine, record);
      else seam.applyForeign(engine, record);
    }
    if (batch.length >= REPLAY_BATCH_RECORDS || batchBytes >= REPLAY_BATCH_BYTES) {
      await applyBatch();
    }
  }
  await applyBatch();
  return { replayedRecords, replayedBytes };
}
