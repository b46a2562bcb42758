import type { FileHandle } from '@holdfast/env';
import { isFileError } from './damage.ts';
import { isSpareName, pathIn, tornName } from './file-names.ts';
import { replaceFile } from './file-replacement.ts';
import type { LastFile } from './last-file.ts';
import { roundUpToBlock } from './layout.ts';
import type { Findings } from './recovery.ts';
import type { Segment } from './segment.ts';
import type { SegmentFiles } from './segment-files.ts';
import type { Settings } from './settings.ts';
import type { RecoveryReport } from './wal.ts';

const PIECE_BYTES = 1024 * 1024;

/**
 * Does what `examineFolder` found to be needed. Every step may be cut off by a crash and is then found
 * again: it is idempotent, and it never touches a byte that may have been acknowledged.
 */
export async function repairFolder(
  settings: Settings,
  findings: Findings,
  segmentFiles: SegmentFiles,
): Promise<Pick<RecoveryReport, 'tornTail' | 'removedFiles'>> {
  const { files } = settings.env;
  const last = findings.files.segment;
  // Safety: whether it was needed or not: one that failed has taken with it what the system knew of the failure.
  await last?.synced();
  const spares = findings.leftovers.filter(isSpareName);
  const voided = findings.leftovers.filter((name) => !isSpareName(name));
  // The spares first: on a full volume they are the room for a copy.
  for (const name of spares) await files.unlink(pathIn(settings.directory, name));
  for (const segment of findings.unproven) {
    await prove(settings, segment, segment === findings.end.active ? last : undefined);
  }
  let tornTail: RecoveryReport['tornTail'];
  if (findings.tornTail !== undefined) {
    const { segment, offset, end } = findings.tornTail;
    const savedAs = await saveTornBytes(settings, segment, offset, end);
    await zero(settings, segment, offset, end);
    tornTail = { segmentId: segment.id, offset, sizeBytes: end - offset, savedAs };
  }
  for (const { segment, sequence, chain } of findings.unsealed) {
    await segmentFiles.seal(segment, undefined, sequence, chain);
  }
  for (const name of voided) await files.unlink(pathIn(settings.directory, name));
  if (findings.leftovers.length > 0) await files.syncDirectory(settings.directory);
  return { tornTail, removedFiles: findings.leftovers };
}

/**
 * Makes durable what is read of a segment.
 *
 * Durability: a process that was killed leaves batches that are read from a cache and are not on the disk. What is built on
 * them, and acknowledged, would be lost with them by a power cut. Where no write is direct the cache may also show, as
 * clean, what the disk failed to write: no sync puts that there, so the segment is written anew and takes the place of the
 * old one whole. Why not in place: the batches may have been acknowledged, and a write that is cut off may garble what it meets.
 */
async function prove(
  settings: Settings,
  { path }: Segment,
  last: LastFile | undefined,
): Promise<void> {
  const { files } = settings.env;
  if (await last?.synced()) return;
  const handle = last?.handle ?? (await files.open(path, 'write', { direct: true }));
  try {
    if (handle.direct) return await handle.sync();
    await replaceFile(settings, path, {}, async (copy) => {
      await copyBytes(handle, copy, 0, await handle.sizeBytes());
    });
  } finally {
    if (handle !== last?.handle) await handle.close();
  }
}

/** Copies [start, end) to the beginning of another file. Volatile. */
async function copyBytes(
  source: FileHandle,
  target: FileHandle,
  start: number,
  end: number,
): Promise<void> {
  const piece = new Uint8Array(Math.min(PIECE_BYTES, end - start));
  for (let at = start; at < end; at += piece.length) {
    const part = piece.subarray(0, Math.min(piece.length, end - at));
    const length = await source.read(part, at);
    await target.write(part.subarray(0, length), at - start);
  }
}

/** Copies the bytes aside first: they were never acknowledged, yet somebody may want to look at them. */
async function saveTornBytes(
  settings: Settings,
  segment: Segment,
  offset: number,
  end: number,
): Promise<string> {
  const { files } = settings.env;
  for (let attempt = 0; ; attempt++) {
    const name = tornName(segment.name, offset, attempt);
    const path = pathIn(settings.directory, name);
    if ((await files.stat(path)) !== undefined) continue;
    const source = await files.open(segment.path, 'read');
    try {
      const target = await files.open(path, 'create', { mode: 0o600 });
      try {
        await copyBytes(source, target, offset, end);
        await target.sync();
      } finally {
        await target.close();
      }
    } catch (error) {
      // Why: the copy is a courtesy; a full disk must not keep the log from opening.
      if (!isFileError(error, 'NO_SPACE')) throw error;
    } finally {
      await source.close();
    }
    await files.syncDirectory(settings.directory);
    return path;
  }
}

/** Zeros [offset, end), durably: no byte of a torn batch is ever taken for a later one. */
async function zero(
  settings: Settings,
  segment: Segment,
  offset: number,
  end: number,
): Promise<void> {
  const { files } = settings.env;
  const handle = await files.open(segment.path, 'write', { direct: true });
  try {
    const zeros = files.allocate(roundUpToBlock(Math.min(PIECE_BYTES, end - offset)));
    const until = roundUpToBlock(end);
    for (let at = offset; at < until; at += zeros.length) {
      await handle.writeSynced(zeros.subarray(0, Math.min(zeros.length, until - at)), at);
    }
  } finally {
    await handle.close();
  }
}
