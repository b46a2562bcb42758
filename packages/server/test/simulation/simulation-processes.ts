/** Simulations in processes of their own, each of which runs one after the other. */
import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import type { SimulationPlan } from './plan.ts';
import type { SimulationReport } from './simulate.ts';

/** Why: what is thrown on purpose needs no stack, and a run makes garbage that dies young. A trace has stacks. */
const NODE_FLAGS = ['--stack-trace-limit=0', '--max-semi-space-size=32'];

export class SimulationProcesses {
  readonly #idle: ChildProcess[];
  readonly #all: readonly ChildProcess[];
  readonly #waiting: ((child: ChildProcess) => void)[] = [];

  constructor(count: number) {
    const script = join(import.meta.dirname, 'simulation-process.ts');
    const execArgv = [...process.execArgv, ...NODE_FLAGS];
    this.#all = Array.from({ length: count }, () => fork(script, { execArgv }));
    this.#idle = [...this.#all];
  }

  /** Rejects where the process ends in the middle. */
  async run(plan: SimulationPlan): Promise<SimulationReport> {
    const child = await this.#take();
    const report = await reportOf(child, plan);
    const next = this.#waiting.shift();
    if (next === undefined) this.#idle.push(child);
    else next(child);
    return report;
  }

  close(): void {
    for (const child of this.#all) child.kill();
  }

  #take(): Promise<ChildProcess> {
    const child = this.#idle.pop();
    if (child !== undefined) return Promise.resolve(child);
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
    });
  }
}

function reportOf(child: ChildProcess, plan: SimulationPlan): Promise<SimulationReport> {
  return new Promise((resolve, reject) => {
    const ended = (code: number | null): void => {
      reject(new Error(`the process of seed ${plan.seed} ended with ${code}`));
    };
    child.once('exit', ended);
    child.once('message', (report) => {
      child.off('exit', ended);
      resolve(report as SimulationReport);
    });
    child.send(plan);
  });
}
