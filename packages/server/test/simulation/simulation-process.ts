/** Runs the plans that its parent sends, one at a time, and sends their reports. */
import type { SimulationPlan } from './plan.ts';
import { simulate } from './simulate.ts';
import { turn } from './turn.ts';

process.on('message', (plan: SimulationPlan) => {
  void simulate(plan, { drain: turn }).then((report) => process.send?.(report));
});
