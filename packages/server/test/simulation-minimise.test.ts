import { expect, test } from 'vitest';
import { minimise } from './simulation/minimise.ts';
import type { SimulationPlan } from './simulation/plan.ts';
import type { SimulationReport } from './simulation/simulate.ts';

const FAULTS = ['kill', 'pause', 'partition'];

/** A run that fails where the condition holds, as far as `minimise` looks at it. */
function failingWhere(fails: (plan: SimulationPlan) => boolean) {
  return async (plan: SimulationPlan): Promise<SimulationReport> => ({
    seed: plan.seed,
    violations: fails(plan) ? ['something is lost'] : [],
    traceHash: '',
    events: 0,
    simulatedMs: plan.safetyMs,
    processorMs: 0,
    nodes: plan.nodes ?? 5,
    clients: plan.clients ?? 6,
    answers: 0,
    objectAnswers: 0,
    operations: 0,
    acknowledgedWrites: 0,
    histories: 0,
    verifiedVersions: 0,
    starts: 0,
    powerCuts: 0,
    kills: 0,
    replacements: 0,
    faults: Object.fromEntries(
      FAULTS.filter((name) => plan.without?.includes(name) !== true).map((name) => [name, 1]),
    ),
  });
}

test('a failing run is left with what it needs to fail, and its command is told', async () => {
  const lines: string[] = [];
  const run = failingWhere(
    ({ without = [], clients = 6, safetyMs }) =>
      !without.includes('kill') && clients >= 2 && safetyMs >= 10_000,
  );
  const smallest = await minimise({ seed: 7, safetyMs: 60_000 }, run, (line) => lines.push(line));
  expect(smallest).toMatchObject({ seed: 7, nodes: 3, clients: 2, objects: false });
  expect(smallest?.without).toEqual(['pause', 'partition']);
  expect(smallest?.safetyMs).toBeGreaterThanOrEqual(10_000);
  expect(smallest?.safetyMs).toBeLessThan(16_000);
  expect(lines.at(-1)).toContain(
    `npm run prove:simulation -- --seed 7 --seconds ${Number(smallest?.safetyMs) / 1000} --nodes 3 --clients 2 ` +
      `--no-objects --without 'pause,partition' --trace`,
  );
});

test('a run that does not fail is not made smaller', async () => {
  const run = failingWhere(() => false);
  expect(await minimise({ seed: 7, safetyMs: 60_000 }, run, () => undefined)).toBeUndefined();
});
