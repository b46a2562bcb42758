/** What the steps of the bounds print. */
import type { RecoveryStep } from '@holdfast/kv';
import type { Stalls } from './stall-probe.ts';

export interface StoreCounts {
  readonly tableEntries: number;
  readonly tableCount: number;
  readonly tableBytes: number;
  readonly flushes: number;
  readonly merges: number;
  readonly logBytes: number;
  readonly estimatedMemoryBytes: number;
}

interface Measured {
  /** Most memory that the process had resident at any time. */
  readonly peakBytes: number;
}

export interface LoadResult extends Measured {
  readonly seconds: number;
  /** Of the second half. */
  readonly stalls: Stalls;
  readonly counts: StoreCounts;
}

export interface OpenResult extends Measured {
  readonly milliseconds: number;
  readonly replayedRecords: number;
  readonly replayedBytes: number;
  readonly steps: readonly RecoveryStep[];
  readonly counts: StoreCounts;
}

/** Milliseconds of one page out of few records, and of one out of many. */
interface PagePair {
  readonly small: number;
  readonly large: number;
}

export interface PageTimes {
  readonly first: PagePair;
  /** At once after it. */
  readonly again: PagePair;
}

export interface PagesResult extends Measured {
  readonly times: readonly PageTimes[];
  /** Of the large store. */
  readonly tableCount: number;
}

export interface PressResult extends Measured {
  readonly stalls: Stalls;
  readonly writes: number;
  readonly gets: number;
  readonly pages: number;
  readonly flushes: number;
  readonly merges: number;
  readonly movedBytes: number;
}
