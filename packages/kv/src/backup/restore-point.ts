import { KvError } from '../errors.ts';
import type { BackupManifest, BackupSegment } from './backup-manifest.ts';

/** What to restore: nothing said means the newest state there is. */
export interface RestoreAim {
  /** The state after this record of the log. */
  readonly atIndex?: number;
  /** The newest state that is known to be no younger than this time, in wall-clock milliseconds. */
  readonly atMs?: number;
}

/** A backup's tables, and the log that leads on from them. */
interface RestoreWindow {
  readonly manifest: BackupManifest;
  readonly oldestIndex: number;
  readonly newestIndex: number;
  /** In the order of their ids: the backup's own, and those of later backups that go on where they end. */
  readonly segments: readonly BackupSegment[];
}

/** A backup, and the index to which the log is followed. */
export interface RestorePoint {
  readonly manifest: BackupManifest;
  readonly segments: readonly BackupSegment[];
  readonly index: number;
  /** A time at which the store was at that index, where one is known. */
  readonly knownMs: number | undefined;
}

/** Finds the backup to restore from. KV_INVALID_ARGUMENT, with the windows there are, where none holds the aim. */
export function chooseRestorePoint(
  manifests: readonly BackupManifest[],
  { atIndex, atMs }: RestoreAim,
): RestorePoint {
  const windows = windowsOf(manifests);
  const points = windows.flatMap((window) => knownPoints(window, manifests));
  if (atIndex !== undefined) {
    // The newest tables that are not past the index: the least log to follow.
    const window = windows.findLast(
      ({ oldestIndex, newestIndex }) => oldestIndex <= atIndex && atIndex <= newestIndex,
    );
    const known = points.findLast(({ index }) => index === atIndex);
    if (window !== undefined) return pointOf(window, atIndex, known?.knownMs);
    const what = `index ${atIndex} cannot be restored`;
    throw new KvError('KV_INVALID_ARGUMENT', `${what}; ${describeWindows(windows)}`);
  }
  const fitting = points.filter(({ knownMs }) => atMs === undefined || (knownMs ?? atMs) <= atMs);
  fitting.sort((left, right) => left.index - right.index);
  const point = fitting.at(-1);
  if (point !== undefined) return point;
  const what = `nothing in the backups is known to be as old as ${textOf(atMs ?? 0)}`;
  throw new KvError('KV_INVALID_ARGUMENT', `${what}; ${describeWindows(windows)}`);
}

/** Of each backup, by the age of its tables. */
function windowsOf(manifests: readonly BackupManifest[]): RestoreWindow[] {
  const stored = longestSegments(manifests);
  const windows = manifests.map((manifest) => windowOf(manifest, stored));
  return windows.sort((left, right) => left.oldestIndex - right.oldestIndex);
}

/**
 * Follows the log past the end of a backup, through what later backups have of it. Safety: only from a sealed
 * segment to the next one; what was open at a backup may go on with records that no backup has.
 */
function windowOf(
  manifest: BackupManifest,
  stored: ReadonlyMap<number, BackupSegment>,
): RestoreWindow {
  const segments = manifest.segments.map((own) => stored.get(own.segmentId) ?? own);
  let last = segments.at(-1);
  let newestIndex = Math.max(manifest.index, last?.lastIndex ?? 0);
  while (last?.sealed === true) {
    last = stored.get(last.segmentId + 1);
    if (last === undefined || last.firstIndex !== newestIndex + 1) break;
    segments.push(last);
    newestIndex = last.lastIndex;
  }
  return { manifest, oldestIndex: manifest.oldestIndex, newestIndex, segments };
}

/** Of each segment the copy with the most: what was open at one backup may be sealed at the next. */
function longestSegments(manifests: readonly BackupManifest[]): Map<number, BackupSegment> {
  const longest = new Map<number, BackupSegment>();
  for (const segment of manifests.flatMap(({ segments }) => segments)) {
    const known = longest.get(segment.segmentId);
    const longer = known === undefined || segment.lastIndex > known.lastIndex;
    if (longer || (segment.sealed && !known.sealed)) longest.set(segment.segmentId, segment);
  }
  return longest;
}

/**
 * Indexes in the window of which a time is known: those of backups, and where a segment was begun. Records bear no
 * time of their own, so times between are not to be had.
 */
function knownPoints(
  window: RestoreWindow,
  manifests: readonly BackupManifest[],
): readonly RestorePoint[] {
  const known: (readonly [number, number])[] = [
    ...window.segments.map(({ firstIndex, createdMs }) => [firstIndex - 1, createdMs] as const),
    ...manifests.map(({ index, createdMs }) => [index, createdMs] as const),
  ];
  return known
    .filter(([index]) => index >= window.oldestIndex && index <= window.newestIndex)
    .map(([index, knownMs]) => pointOf(window, index, knownMs));
}

function pointOf(
  { manifest, segments }: RestoreWindow,
  index: number,
  knownMs: number | undefined,
): RestorePoint {
  return { manifest, segments, index, knownMs };
}

/** The windows of indexes that can be restored, as a sentence; those that meet are one. */
function describeWindows(windows: readonly RestoreWindow[]): string {
  const ranges: { from: number; to: number; firstMs: number; lastMs: number }[] = [];
  for (const { oldestIndex, newestIndex, manifest } of windows) {
    const before = ranges.at(-1);
    const { createdMs } = manifest;
    if (before === undefined || oldestIndex > before.to + 1) {
      ranges.push({ from: oldestIndex, to: newestIndex, firstMs: createdMs, lastMs: createdMs });
      continue;
    }
    before.to = Math.max(before.to, newestIndex);
    before.lastMs = Math.max(before.lastMs, createdMs);
  }
  const texts = ranges.map(({ from, to, firstMs, lastMs }) => {
    const times = firstMs === lastMs ? textOf(firstMs) : `${textOf(firstMs)} to ${textOf(lastMs)}`;
    return `index ${from} to ${to} (backup of ${times})`;
  });
  return `what can be restored: ${texts.join(', ')}`;
}

function textOf(timeMs: number): string {
  return new Date(timeMs).toISOString();
}
