/** Makes a failing run smaller, as long as it fails: fewer faults, fewer clients, fewer nodes, less time. */
import { commandOf, type SimulationPlan } from './plan.ts';
import type { SimulationReport } from './simulate.ts';

const FEWEST_NODES = 3;
/** Time is cut to what a violation took, and then in halves down to this. */
const SHORTEST_MS = 1000;

type Run = (plan: SimulationPlan) => Promise<SimulationReport>;

/** Returns the smallest plan found that fails; undefined where the first one does not. `say`: is told of each step. */
export async function minimise(
  plan: SimulationPlan,
  run: Run,
  say: (line: string) => void,
): Promise<SimulationPlan | undefined> {
  let report = await run(plan);
  if (report.violations.length === 0) {
    say(`seed ${plan.seed} does not fail`);
    return undefined;
  }
  let best = plan;
  const fails = async (smaller: SimulationPlan, what: string): Promise<boolean> => {
    const tried = await run(smaller);
    const hasFailed = tried.violations.length > 0;
    say(`${hasFailed ? 'still fails' : 'needs it'}: ${what}`);
    if (!hasFailed) return false;
    best = smaller;
    report = tried;
    return true;
  };
  for (let hasShrunk = true; hasShrunk; ) {
    hasShrunk = false;
    for (const fault of Object.keys(report.faults)) {
      const without = [...(best.without ?? []), fault];
      if (await fails({ ...best, without }, `without ${fault}`)) hasShrunk = true;
    }
    for (const smaller of smallerPlans(best, report)) {
      if (!(await fails(smaller.plan, smaller.what))) continue;
      hasShrunk = true;
      break;
    }
  }
  say(`${report.violations[0]}\nrepeat with: ${commandOf(best)}`);
  return best;
}

/** The boldest first. */
function* smallerPlans(
  plan: SimulationPlan,
  { nodes, clients, simulatedMs }: SimulationReport,
): Generator<{ readonly plan: SimulationPlan; readonly what: string }, void, undefined> {
  if (plan.objects !== false) yield { plan: { ...plan, objects: false }, what: 'no objects' };
  for (const count of [1, 2, Math.ceil(clients / 2)]) {
    if (count < clients) yield { plan: { ...plan, clients: count }, what: `${count} clients` };
  }
  if (nodes > FEWEST_NODES) {
    yield { plan: { ...plan, nodes: FEWEST_NODES }, what: `${FEWEST_NODES} nodes` };
  }
  const { safetyMs } = plan;
  for (const shorterMs of [safetyMs / 4, safetyMs / 2, safetyMs * 0.8, simulatedMs]) {
    const wholeMs = Math.ceil(shorterMs / 100) * 100;
    if (wholeMs >= SHORTEST_MS && wholeMs < safetyMs) {
      yield { plan: { ...plan, safetyMs: wholeMs }, what: `${wholeMs / 1000} s` };
    }
  }
}
