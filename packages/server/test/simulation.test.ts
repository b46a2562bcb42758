import { expect, test } from 'vitest';
import { commandOf, type SimulationPlan } from './simulation/plan.ts';
import { type SimulationReport, simulate } from './simulation/simulate.ts';
import { turn } from './simulation/turn.ts';

function run(plan: SimulationPlan): Promise<SimulationReport> {
  return simulate(plan, { drain: turn });
}

// A few, for a broken rule to be seen in the tests already: many are the step `simulation` of `npm test`.
test.each([
  { seed: 1, safetyMs: 4000, objects: false },
  { seed: 5, safetyMs: 4000, objects: true },
])('whatever happens to a cluster, nothing acknowledged is lost: seed $seed', async (plan) => {
  const report = await run(plan);
  expect(report.violations, `repeat with: ${commandOf(plan)}`).toEqual([]);
  // A cluster that answers nobody breaks no promise.
  expect(report.answers).toBeGreaterThan(50);
  expect(report.acknowledgedWrites).toBeGreaterThan(20);
  expect(report.objectAnswers > 20).toBe(plan.objects);
});

test('the same seed is the same run, to the last event; another is another', async () => {
  const plan = { seed: 4, safetyMs: 3000, objects: true };
  const first = await run(plan);
  const second = await run(plan);
  expect(second.traceHash).toBe(first.traceHash);
  expect(second.events).toBe(first.events);
  expect((await run({ ...plan, seed: 6 })).traceHash).not.toBe(first.traceHash);
});
