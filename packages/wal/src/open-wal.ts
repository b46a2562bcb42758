import type { FileHandle, FileLock } from '@holdfast/env';
import { keepNames, makeDurableDirectory } from '@holdfast/env';
import { AppendQueue } from './append-queue.ts';
import { BufferPool } from './buffer-pool.ts';
import { isFileError, noSpace } from './damage.ts';
import { WalError } from './errors.ts';
import { LOCK_NAME, pathIn } from './file-names.ts';
import { LogWriter } from './log-writer.ts';
import { RecordReader } from './record-reader.ts';
import { closeFiles, examineFolder, type Findings } from './recovery.ts';
import { repairFolder } from './repair.ts';
import type { Segment } from './segment.ts';
import { SegmentFiles } from './segment-files.ts';
import { SegmentList } from './segment-list.ts';
import { SegmentedWal } from './segmented-wal.ts';
import { type Settings, settingsOf } from './settings.ts';
import { openState } from './state-recovery.ts';
import { StateSaver } from './state-saver.ts';
import type { NewestSegment } from './state-slots.ts';
import { TailCache } from './tail-cache.ts';
import type { RecoveryReport, Wal, WalOptions } from './wal.ts';

/**
 * Opens the log in a folder, or makes one there.
 *
 * Takes the folder's lock, reads what is there, refuses (WAL_CORRUPTION, WAL_FOREIGN_SEGMENT,
 * WAL_NEWER_FORMAT, with nothing changed) or repairs what a crash left half done, and hands over a log
 * that ends with the last record that was whole. Rejects with WAL_LOCKED where the log is open already,
 * with WAL_NO_SPACE where the repair finds no room, and with the `FileError` of the system where the
 * folder cannot be used at all.
 */
export async function openWal(options: WalOptions): Promise<Wal> {
  const settings = settingsOf(options);
  const lock = await lockFolder(settings);
  try {
    return await openLocked(settings, lock);
  } catch (cause) {
    await lock.release();
    throw isFileError(cause, 'NO_SPACE') ? noSpace(cause) : cause;
  }
}

/** Takes the lock, in a folder that is made for it where there is none. */
async function lockFolder(settings: Settings): Promise<FileLock> {
  try {
    return await takeLock(settings);
  } catch (cause) {
    if (!isFileError(cause, 'FILE_NOT_FOUND')) throw cause;
  }
  await makeDurableDirectory(settings.env.files, settings.directory);
  return await takeLock(settings);
}

/** Makes the log's name and those in its folder durable: a power cut that takes its folder's name takes the log. */
async function syncFolders({ env, directory }: Settings): Promise<void> {
  const { files } = env;
  await Promise.all([keepNames(files, parentOf(directory)), files.syncDirectory(directory)]);
}

function parentOf(path: string): string {
  const at = Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\'));
  if (at < 0) return '.';
  return at === 0 ? path.slice(0, 1) : path.slice(0, at);
}

async function takeLock(settings: Settings): Promise<FileLock> {
  const path = pathIn(settings.directory, LOCK_NAME);
  try {
    return await settings.env.files.lock(path);
  } catch (cause) {
    if (!isFileError(cause, 'FILE_LOCKED')) throw cause;
    throw new WalError(
      'WAL_LOCKED',
      `${settings.directory} is in use by another process. Stop it first, or give this one its own folder.`,
      { cause, path },
    );
  }
}

async function openLocked(settings: Settings, lock: FileLock): Promise<Wal> {
  const { env } = settings;
  const startedMs = env.clock.monotonicMs();
  const examining = examineFolder(settings);
  // Durability: a process that was killed may have left names that it had not synced. What is built on
  // them from now on must not be lost with them. It takes place while the files are read.
  const syncing = syncFolders(settings).then(
    () => undefined,
    (error: unknown) => ({ error }),
  );
  const findings = await examining;
  const segmentFiles = new SegmentFiles(settings);
  const { end } = findings;
  let handle = findings.files.segment?.handle;
  try {
    const failed = await syncing;
    if (failed !== undefined) throw failed.error;
    const repaired = await repairFolder(settings, findings, segmentFiles);
    handle = await handleFor(settings, end.active, handle);
    const newest = newestOf(findings);
    const slots = await openState(settings, findings.state, newest, findings.files.slots);
    const recovery: RecoveryReport = {
      ...repaired,
      segments: findings.segments.length,
      records: findings.records,
      scannedBytes: findings.scannedBytes,
      durationMs: env.clock.monotonicMs() - startedMs,
    };
    const list = listOf(findings);
    const pool = new BufferPool(env.files);
    const tail = new TailCache(Math.floor(settings.cacheSizeBytes / 2));
    const queue = new AppendQueue(settings, list, pool);
    const state = new StateSaver(slots, { ...findings.state.state, newest });
    const writer = new LogWriter(settings, list, queue, segmentFiles, state, tail, end, handle);
    const reader = new RecordReader(settings, list, queue, tail);
    return new SegmentedWal({
      settings,
      list,
      queue,
      writer,
      reader,
      state,
      segmentFiles,
      pool,
      lock,
      recovery,
    });
  } catch (error) {
    await Promise.all([closeFiles(findings.files), handle?.close()]);
    throw error;
  }
}

/** The handle that takes the next batch, of the two that the last segment may have had: before the repair and after it. */
async function handleFor(
  { env }: Settings,
  active: Segment | undefined,
  handle: FileHandle | undefined,
): Promise<FileHandle | undefined> {
  // Why: where no write is direct, the repair may have put another file in the segment's place.
  if (active !== undefined && handle?.direct === true) return handle;
  await handle?.close();
  return active && (await env.files.open(active.path, 'write', { direct: true }));
}

function newestOf({ segments }: Findings): NewestSegment | undefined {
  const newest = segments.at(-1);
  return newest && { segmentId: newest.id, baseIndex: newest.baseIndex };
}

function listOf({ segments, state, end }: Findings): SegmentList {
  const { firstIndex, termBefore } = state.state;
  return new SegmentList([...segments], firstIndex, termBefore, end.index, end.segmentId + 1);
}
