import type { Extent } from '@holdfast/wal';

/** Values up to this many bytes live in the index; longer ones stay where the log wrote them. */
export const INLINE_VALUE_LIMIT_BYTES = 1024;

/** What the index holds for a key. Never changed once made. */
export type IndexRecord = InlineRecord | ExtentRecord | Tombstone;

export interface InlineRecord {
  readonly kind: 'inline';
  readonly version: number;
  readonly value: Uint8Array;
}

export interface ExtentRecord {
  readonly kind: 'extent';
  readonly version: number;
  readonly extent: Extent;
}

/** Says that the key was deleted, where an older table may still have it. */
export interface Tombstone {
  readonly kind: 'tombstone';
  readonly version: number;
}

/** A record that holds a value. */
export type LiveRecord = InlineRecord | ExtentRecord;

/** The record, unless it says that the key is not there. */
export function liveRecord(record: IndexRecord | undefined): LiveRecord | undefined {
  return record === undefined || record.kind === 'tombstone' ? undefined : record;
}

/** Bytes of the record's value. */
export function valueSizeBytes(record: LiveRecord): number {
  return record.kind === 'inline' ? record.value.length : record.extent.length;
}

/** Whether two records of a key are the same one: written by one transaction, and in the same place. */
export function isSame(left: IndexRecord, right: IndexRecord): boolean {
  if (left.kind !== right.kind || left.version !== right.version) return false;
  if (left.kind !== 'extent' || right.kind !== 'extent') return true;
  const [one, other] = [left.extent, right.extent];
  return one.segmentId === other.segmentId && one.offset === other.offset;
}
