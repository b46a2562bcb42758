import type { TestSpecification } from 'vitest/node';
import { BaseSequencer } from 'vitest/node';

/** Files of e2e that take a minute or more, the longest first: one that begins as the last keeps all others waiting. */
const LONG = [
  'e2e/power-cut.test.ts',
  'e2e/system-call-faults.test.ts',
  'e2e/crash-consistency.test.ts',
  'e2e/cluster-recovery.test.ts',
  'e2e/cluster-partition.test.ts',
  'e2e/cluster-faults.test.ts',
  'e2e/disk-full.test.ts',
  'e2e/lifecycle.test.ts',
];

/** Begins with the longest files; the others in vitest's own order. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    return sorted.toSorted((one, other) => rankOf(one) - rankOf(other));
  }
}

function rankOf({ moduleId }: TestSpecification): number {
  const at = LONG.findIndex((path) => moduleId.endsWith(`/${path}`));
  return at === -1 ? LONG.length : at;
}
