import { describe, expect, test } from 'vitest';
import { complaintOf, runFaults } from './fixtures/fault-run.ts';

const SEEDS = Array.from({ length: 12 }, (_, at) => at + 1);

describe('three nodes under loss, delay, partitions and crashes that forget what was not synced', () => {
  test.each(SEEDS)(
    'seed %i: what clients saw is linearizable, and the nodes end alike',
    async (seed) => {
      const report = await runFaults({ seed });
      expect(complaintOf(report), `seed ${seed}\n${report.faults.join('\n')}`).toBeUndefined();
    },
  );
});
