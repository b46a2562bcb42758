/** What decides a run: the same plan is the same run, to the last event. */
export interface SimulationPlan {
  /** An integer from 0 to 2^31. */
  readonly seed: number;
  /** Of the safety phase, in simulated milliseconds. */
  readonly safetyMs: number;
  /** Default: 3 to 5, by the seed. */
  readonly nodes?: number;
  /** Default 6. */
  readonly clients?: number;
  /** Whether there are clients of the object layer too. Default: of every third seed, by the dice. */
  readonly objects?: boolean;
  /** Faults that do not strike. */
  readonly without?: readonly string[];
}

/** Shows the run of a plan. */
export function commandOf(plan: SimulationPlan): string {
  const { seed, safetyMs, nodes, clients, objects, without = [] } = plan;
  const words = ['npm run prove:simulation --', `--seed ${seed}`, `--seconds ${safetyMs / 1000}`];
  if (nodes !== undefined) words.push(`--nodes ${nodes}`);
  if (clients !== undefined) words.push(`--clients ${clients}`);
  if (objects !== undefined) words.push(objects ? '--objects' : '--no-objects');
  if (without.length > 0) words.push(`--without '${without.join(',')}'`);
  return [...words, '--trace'].join(' ');
}
