import { expect, test } from 'vitest';
import { commandOf } from './simulation/plan.ts';
import { type SimulationReport, simulate } from './simulation/simulate.ts';
import { turn } from './simulation/turn.ts';

const SECONDS = 12;
/** Between them they have every fault, and 3, 4 and 5 nodes. */
const SEEDS = [1, 3, 5, 7, 9, 11];

function run(seed: number): Promise<SimulationReport> {
  return simulate({ seed, safetyMs: SECONDS * 1000 }, { drain: turn });
}

test.each(SEEDS)(
  'whatever happens to a cluster, nothing acknowledged is lost: seed %i',
  async (seed) => {
    const report = await run(seed);
    const again = commandOf({ seed, safetyMs: SECONDS * 1000 });
    expect(report.violations, `repeat with: ${again}`).toEqual([]);
    // A cluster that answers nobody breaks no promise.
    expect(report.answers).toBeGreaterThan(100);
    expect(report.acknowledgedWrites).toBeGreaterThan(50);
  },
);

test('the same seed is the same run, to the last event', async () => {
  const first = await run(4);
  const second = await run(4);
  expect(second.traceHash).toBe(first.traceHash);
  expect(second.events).toBe(first.events);
  expect((await run(6)).traceHash).not.toBe(first.traceHash);
});
