import { describe, expect, test } from 'vitest';
import { complaintOf, runFaults, SHORT_LOG } from './fixtures/fault-run.ts';

function seedsFrom(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, at) => first + at);
}

describe('three nodes under loss, delay, partitions and crashes that forget what was not synced', () => {
  const fact = 'what clients saw is linearizable, and the nodes end alike';

  test.each(seedsFrom(1, 12))(`seed %i: ${fact}`, async (seed) => {
    const report = await runFaults({ seed });
    expect(complaintOf(report), `seed ${seed}\n${report.faults.join('\n')}`).toBeUndefined();
  });

  test.each(seedsFrom(101, 4))(`seed %i, a short log: ${fact}`, async (seed) => {
    const report = await runFaults({ seed, rounds: 12, cluster: { settings: SHORT_LOG } });
    expect(complaintOf(report), `seed ${seed}\n${report.faults.join('\n')}`).toBeUndefined();
  });
});
