import { invariant } from '@holdfast/bytes';
import type { Extent } from '@holdfast/wal';

/**
 * How many bytes of each segment the index refers to: exact, because every record that replaces or deletes
 * an extent counts it down. A segment that nothing refers to can be removed, once no reader that began
 * before its last extent died is left. "Segment" is a segment of the wal or an extent file here.
 */
export class SegmentSpace {
  readonly #liveBytes: Map<number, number>;
  /** Moment at which a segment's last live byte died, for those that died since the start. */
  readonly #emptiedAt = new Map<number, number>();
  /** Segments that extents were moved out of, as far as no MANIFEST says so yet. */
  readonly #movedFrom = new Set<number>();
  #moment = 0;
  #changed = new Set<number>();

  constructor(liveBytes: ReadonlyMap<number, number>) {
    this.#liveBytes = new Map(liveBytes);
  }

  add(extent: Extent): void {
    this.#set(extent.segmentId, this.liveBytes(extent.segmentId) + extent.length);
    this.#emptiedAt.delete(extent.segmentId);
  }

  /**
   * Grows whenever a segment is emptied. Why not the revision: compaction empties segments without one, and a
   * reader of the same revision may have begun before.
   */
  get moment(): number {
    return this.#moment;
  }

  /** Counts an extent down that was replaced, deleted or moved. */
  remove(extent: Extent): void {
    const left = this.liveBytes(extent.segmentId) - extent.length;
    invariant(left >= 0, `segment ${extent.segmentId} would have ${left} live bytes`);
    this.#set(extent.segmentId, left);
    if (left === 0) this.#emptiedAt.set(extent.segmentId, ++this.#moment);
  }

  /**
   * Counts a value that has a new place. Safety: unlike a replaced value, which the log replaces again after a
   * restart, a moved one is found at its old place until the index is flushed. So is the old segment kept.
   */
  move(from: Extent, to: Extent): void {
    this.add(to);
    this.remove(from);
    this.#movedFrom.add(from.segmentId);
  }

  /** Whether a value was moved since the last `settleMoves`. */
  get hasMoves(): boolean {
    return this.#movedFrom.size > 0;
  }

  /** Whether a segment was emptied since the last `takeChanges`. */
  get hasUnflushedDeath(): boolean {
    for (const segmentId of this.#changed) if (this.liveBytes(segmentId) === 0) return true;
    return false;
  }

  /** The MANIFEST lists tables with all new places. */
  settleMoves(): void {
    this.#movedFrom.clear();
  }

  liveBytes(segmentId: number): number {
    return this.#liveBytes.get(segmentId) ?? 0;
  }

  /** Of all segments that have any. */
  all(): ReadonlyMap<number, number> {
    return this.#liveBytes;
  }

  /**
   * Whether no record, here or after a restart, and no reader since `oldestReader` refers to the segment.
   */
  isRemovable(segmentId: number, oldestReader: number): boolean {
    if (this.liveBytes(segmentId) !== 0 || this.#movedFrom.has(segmentId)) return false;
    return (this.#emptiedAt.get(segmentId) ?? 0) <= oldestReader;
  }

  /**
   * Another state has taken the place of this one. Its live bytes are in the MANIFEST already. Readers of the old one
   * keep what they see.
   */
  replace(liveBytes: ReadonlyMap<number, number>): void {
    const moment = ++this.#moment;
    for (const segmentId of this.#liveBytes.keys()) {
      if (!liveBytes.has(segmentId)) this.#emptiedAt.set(segmentId, moment);
    }
    this.#liveBytes.clear();
    for (const [segmentId, bytes] of liveBytes) {
      this.#liveBytes.set(segmentId, bytes);
      this.#emptiedAt.delete(segmentId);
    }
    this.#changed = new Set();
    this.#movedFrom.clear();
  }

  /** Forgets a segment that was removed. */
  forget(segmentId: number): void {
    invariant(this.liveBytes(segmentId) === 0, `segment ${segmentId} is in use`);
    this.#emptiedAt.delete(segmentId);
  }

  /** Live bytes of the segments whose number changed since the last call; 0 where none are left. */
  takeChanges(): ReadonlyMap<number, number> {
    const changes = new Map<number, number>();
    for (const segmentId of this.#changed) changes.set(segmentId, this.liveBytes(segmentId));
    this.#changed = new Set();
    return changes;
  }

  #set(segmentId: number, liveBytes: number): void {
    if (liveBytes === 0) this.#liveBytes.delete(segmentId);
    else this.#liveBytes.set(segmentId, liveBytes);
    this.#changed.add(segmentId);
  }
}
