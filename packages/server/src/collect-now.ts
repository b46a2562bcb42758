import type { LocalStore } from '@holdfast/kv';
import type { GarbageReport } from '@holdfast/objects';

/** One step of a collection that is done. Plain data. */
export type CollectionStep =
  | { readonly step: 'begun'; readonly fileBytes: number; readonly liveBytes: number }
  | { readonly step: 'swept'; readonly deletedChunks: number; readonly deletedBytes: number }
  | { readonly step: 'rewritten'; readonly rewrittenSegments: number; readonly movedBytes: number };

/** What a collection left. */
export interface CollectionReport {
  readonly beforeBytes: number;
  readonly afterBytes: number;
  readonly liveBytes: number;
  /** It ended for want of room on the volume. */
  readonly paused: boolean;
  /** What is damaged, and was left as it is. */
  readonly damaged: readonly string[];
}

/**
 * Gives back all space that nothing refers to: chunks of deleted objects and crashed uploads, then segments that are
 * mostly dead. Reads and writes may go on meanwhile.
 */
export async function collectNow(
  kv: LocalStore,
  sweep: () => Promise<GarbageReport>,
  onStep: (step: CollectionStep) => void,
): Promise<CollectionReport> {
  const beforeBytes = fileBytesOf(kv);
  onStep({ step: 'begun', fileBytes: beforeBytes, liveBytes: kv.status().liveBytes });
  const { deletedChunks, deletedBytes } = await sweep();
  onStep({ step: 'swept', deletedChunks, deletedBytes });
  const report = await kv.compact(({ rewrittenSegments, movedBytes }) => {
    onStep({ step: 'rewritten', rewrittenSegments, movedBytes });
  });
  return {
    beforeBytes,
    afterBytes: fileBytesOf(kv),
    liveBytes: kv.status().liveBytes,
    paused: report.paused,
    damaged: report.damaged.map(({ message }) => message),
  };
}

function fileBytesOf(kv: LocalStore): number {
  const { segments, extentFiles, tableBytes } = kv.status();
  return [...segments, ...extentFiles].reduce((sum, each) => sum + each.sizeBytes, tableBytes);
}
