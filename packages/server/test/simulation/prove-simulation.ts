/**
 * Simulations by seed, for `npm run prove:simulation`: a line of JSON for each seed and one for all, and exit code 1 where something
 * was wrong.
 *
 *     npm run prove:simulation -- --seed 1 --count 20 --seconds 60 [--jobs 2]
 *     npm run prove:simulation -- --seed 7 --seconds 60 --trace          shows what happens
 *     npm run prove:simulation -- --seed 7 --seconds 60 --minimise       leaves out of a failing run what it can do without
 *
 * `--nodes`, `--clients`, `--objects`, `--no-objects` `--only 'bit rot'` and `--without 'kill,pause'` change the run of a seed.
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { minimise } from './minimise.ts';
import { FAULTS } from './nemesis.ts';
import { commandOf, type SimulationPlan } from './plan.ts';
import { simulate } from './simulate.ts';
import { SimulationProcesses } from './simulation-processes.ts';
import { describe, summarise } from './summary.ts';
import { turn } from './turn.ts';

const { values } = parseArgs({
  allowNegative: true,
  options: {
    seed: { type: 'string', default: '1' },
    count: { type: 'string', default: '1' },
    /** Simulated, of the safety phase. */
    seconds: { type: 'string', default: '60' },
    nodes: { type: 'string' },
    clients: { type: 'string' },
    objects: { type: 'boolean' },
    /** Faults by their names, with commas. */
    only: { type: 'string' },
    without: { type: 'string' },
    /** Processes at once. */
    jobs: { type: 'string', default: String(Math.min(2, availableParallelism())) },
    trace: { type: 'boolean', default: false },
    minimise: { type: 'boolean', default: false },
  },
});
const first = Number(values.seed);
const plans: SimulationPlan[] = Array.from({ length: Number(values.count) }, (_, at) => ({
  seed: first + at,
  safetyMs: Number(values.seconds) * 1000,
  ...(values.nodes === undefined ? {} : { nodes: Number(values.nodes) }),
  ...(values.clients === undefined ? {} : { clients: Number(values.clients) }),
  ...(values.objects === undefined ? {} : { objects: values.objects }),
  ...withoutOf(values.only?.split(','), values.without?.split(',')),
}));

process.exitCode = await main();

async function main(): Promise<number> {
  if (values.trace) return await show(plans[0] as SimulationPlan);
  const processes = new SimulationProcesses(Math.min(Number(values.jobs), plans.length));
  try {
    if (values.minimise) {
      await minimise(plans[0] as SimulationPlan, (plan) => processes.run(plan), say);
      return 0;
    }
    return await runAll(processes);
  } finally {
    processes.close();
  }
}

async function runAll(processes: SimulationProcesses): Promise<number> {
  const reports = await Promise.all(
    plans.map(async (plan) => {
      const report = await processes.run(plan);
      say(JSON.stringify(report));
      if (report.violations.length > 0) process.stderr.write(`repeat with: ${commandOf(plan)}\n`);
      return report;
    }),
  );
  say(describe(reports));
  say(JSON.stringify(summarise(reports)));
  return reports.some(({ violations }) => violations.length > 0) ? 1 : 0;
}

async function show(plan: SimulationPlan): Promise<number> {
  const report = await simulate(plan, { drain: turn, print: say });
  say(JSON.stringify(report));
  return report.violations.length > 0 ? 1 : 0;
}

function withoutOf(
  only: readonly string[] | undefined,
  without: readonly string[] = [],
): Pick<SimulationPlan, 'without'> {
  const others = only === undefined ? [] : FAULTS.filter((name) => !only.includes(name));
  return without.length + others.length === 0 ? {} : { without: [...without, ...others] };
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
