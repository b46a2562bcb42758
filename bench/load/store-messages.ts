import type { PeerName } from '../peers/stores/peer-store.ts';

/** What the process of a store is asked to do; one at a time. */
export type StoreTask =
  | { readonly kind: 'open'; readonly name: PeerName; readonly directory: string }
  /** Writes the entries of these numbers in batches, then waits until the store is at rest. */
  | { readonly kind: 'load'; readonly from: number; readonly to: number; readonly batch: number }
  /** Looks up that many random entries of the first `entries`, so many at a time. */
  | {
      readonly kind: 'get';
      readonly entries: number;
      readonly count: number;
      readonly atOnce: number;
      readonly seed: number;
    }
  /** Reads pages of 1000 from random entries on. */
  | {
      readonly kind: 'scan';
      readonly entries: number;
      readonly count: number;
      readonly seed: number;
    }
  | { readonly kind: 'close' };

export interface StoreTaskResult {
  /** Until the work was done. */
  readonly seconds: number;
  /** Processor time of the whole process, with what it did in the background until it was at rest. */
  readonly cpuSeconds: number;
  /** Largest resident memory so far, in bytes (VmHWM; Linux). */
  readonly peakBytes: number;
  /** Of the present resident memory, what is not a mapped file. */
  readonly anonymousBytes: number;
  /** The event loop's longest delay during the task, in milliseconds. */
  readonly longestDelayMs: number;
}
