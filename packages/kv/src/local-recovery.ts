import type { Clock, Env } from '@holdfast/env';
import { FileError } from '@holdfast/env';
import type { RecoveryReport, Wal, WalIdentity, WalOptions } from '@holdfast/wal';
import { openWal } from '@holdfast/wal';
import { makeDurableDirectory } from './durable-directory.ts';
import { KV_ENTRY_KIND } from './entry-codec.ts';
import { corruption, KvError } from './errors.ts';
import type { CommittedRecord } from './kv-engine.ts';
import { KvEngine } from './kv-engine.ts';
import { loadIdentity } from './node-identity.ts';
import { openError } from './wal-failure.ts';

/** Records that are applied at once during replay. */
const REPLAY_BATCH_RECORDS = 512;

export interface LocalRecovery {
  readonly wal: RecoveryReport;
  /** Records of the log that were applied again. */
  readonly replayedRecords: number;
  readonly replayedBytes: number;
  readonly tables: number;
  /** Files of the index that an interrupted change had left behind. */
  readonly removedFiles: readonly string[];
  readonly durationMs: number;
  /** How long each step took, in order. */
  readonly steps: readonly RecoveryStep[];
}

export interface RecoveryStep {
  /** `identity`: node.json. `log`: segments and state. `index`: MANIFEST, tables. `tidy`: left-over files. */
  readonly name: 'identity' | 'log' | 'index' | 'replay' | 'tidy';
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
  const identity = await loadIdentity(env, directory, request.identity);
  steps.done('identity');
  const walDirectory = `${directory}/wal`;
  const wal = await openWal({ ...request.wal, env, directory: walDirectory, identity });
  undo.push(() => wal.close());
  steps.done('log');
  const indexDirectory = `${directory}/kv`;
  await makeDurableDirectory(env.files, indexDirectory);
  const options = { ...request.engine, env, directory: indexDirectory, identity };
  const engine = await KvEngine.open(options);
  undo.push(() => engine.close());
  steps.done('index');
  refuseGap(wal, engine, indexDirectory, walDirectory);
  const replayed = await replay(wal, engine, request.memtableSizeBytes);
  steps.done('replay');
  const tables = engine.index.tables.length;
  // Safety: only now, when all that is listed was found whole, are files removed.
  const removedFiles = await engine.index.removeUnlisted();
  steps.done('tidy');
  const { durationMs } = steps;
  const report = {
    wal: wal.recovery,
    ...replayed,
    tables,
    removedFiles,
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
  if (wal.lastIndex < flushedIndex) {
    throw corruption(
      walPath,
      `the log ends at record ${wal.lastIndex}, and the index holds record ${flushedIndex}: the log's end is lost`,
    );
  }
  if (wal.firstIndex > flushedIndex + 1) {
    throw corruption(
      indexPath,
      `the index ends at record ${flushedIndex}, and the log begins at ${wal.firstIndex}: the index's end is lost`,
    );
  }
}

/** Why: a volume that is full must not keep the store from opening. What was not flushed stays in memory. */
function ignoreNoSpace(cause: unknown): void {
  if (!(cause instanceof FileError) || cause.code !== 'NO_SPACE') throw cause;
}

async function replay(
  wal: Wal,
  engine: KvEngine,
  memtableSizeBytes: number,
): Promise<{ readonly replayedRecords: number; readonly replayedBytes: number }> {
  let replayedRecords = 0;
  let replayedBytes = 0;
  let batch: CommittedRecord[] = [];
  const applyBatch = async (): Promise<void> => {
    await engine.applyBatch(batch);
    batch = [];
    if (engine.index.memtableSizeBytes < memtableSizeBytes) return;
    engine.freeze();
    await engine.index.flush().catch(ignoreNoSpace);
  };
  const from = (engine.flushedIndex + 1) as typeof wal.lastIndex;
  if (from > wal.lastIndex) return { replayedRecords, replayedBytes };
  for await (const record of wal.replay(from)) {
    replayedRecords++;
    replayedBytes += record.head.length + (record.body?.length ?? 0);
    if (record.kind === KV_ENTRY_KIND) batch.push(record);
    else {
      await applyBatch();
      engine.skip(record.index);
    }
    if (batch.length >= REPLAY_BATCH_RECORDS) await applyBatch();
  }
  await applyBatch();
  return { replayedRecords, replayedBytes };
}
