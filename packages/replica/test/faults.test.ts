import { describe, expect, test } from 'vitest';
import type { ReplicaSettings } from '../src/index.ts';
import { complaintOf, runFaults } from './fixtures/fault-run.ts';

/** So little log is kept that who was away needs the state of another, and states are compared all the time. */
const SHORT_LOG: ReplicaSettings = {
  store: {
    reserveSizeBytes: 0,
    memtableSizeBytes: 4 * 1024,
    replaySizeBytes: 8 * 1024,
    wal: { segmentSizeBytes: 16 * 1024, preallocate: false },
  },
  retainedLogBytes: 1,
  checkpointEntries: 8,
  transferAnswerLimitMs: 200,
};

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
