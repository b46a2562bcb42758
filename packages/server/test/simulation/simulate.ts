/**
 * A whole cluster in one thread, from a seed: first everything goes wrong and nothing may be lost (safety), then nothing goes
 * wrong any more and everything must work again (liveness).
 */
import { createMemoryEnv, SeededRandom } from '@holdfast/env/memory';
import {
  checkLinearizable,
  HistoryRecorder,
  type RegisterCall,
  type RegisterResult,
  registerModel,
} from '@holdfast/sim/history';
import { Nemesis } from './nemesis.ts';
import type { SimulationPlan } from './plan.ts';
import { SimulatedCluster } from './simulated-cluster.ts';
import { SimulatedTime } from './simulated-time.ts';
import { Trace } from './trace.ts';
import { Workload } from './workload.ts';

export interface Surroundings {
  /** Resolves when all that needs no time has happened. */
  readonly drain: () => Promise<void>;
  /** Is shown what happens. */
  readonly print?: (line: string) => void;
}

export interface SimulationReport {
  readonly seed: number;
  /** In words; empty where nothing was wrong. */
  readonly violations: readonly string[];
  /** Of everything that happened: the same for the same seed and code. */
  readonly traceHash: string;
  readonly events: number;
  readonly simulatedMs: number;
  /** What it took of the processor. */
  readonly processorMs: number;
  readonly nodes: number;
  readonly clients: number;
  /** Requests that had an answer, and all. */
  readonly answers: number;
  readonly operations: number;
  readonly acknowledgedWrites: number;
  /** Keys whose history was checked. */
  readonly histories: number;
  readonly starts: number;
  readonly powerCuts: number;
  readonly kills: number;
  /** How often each fault struck. */
  readonly faults: Readonly<Record<string, number>>;
}

const CLIENTS = 6;
const THINK_MS = 50;
/** How long a healed cluster may take to agree, to answer, and to be the same everywhere. */
const LIVENESS_MS = 60_000;

export async function simulate(
  plan: SimulationPlan,
  { drain, print }: Surroundings,
): Promise<SimulationReport> {
  const began = process.cpuUsage();
  const random = new SeededRandom(plan.seed);
  const violations: string[] = [];
  const trace = new Trace();
  const time = new SimulatedTime(drain, trace);
  const told = new Trace(
    print && ((line) => print(`${(time.monotonicMs() / 1000).toFixed(4).padStart(9)} ${line}`)),
  );
  const violate = (what: string): void => {
    told.event(`VIOLATION: ${what}`);
    violations.push(what);
  };
  const { crc32c, digests, ciphers } = await createMemoryEnv();
  // Thrown in any case, so that the rest of the run has the same numbers.
  const diced = 3 + random.below(3);
  const { nodes = diced, clients = CLIENTS } = plan;
  const cluster = new SimulatedCluster({
    time,
    trace: told,
    violate,
    random: random.fork(),
    shared: { crc32c, digests, ciphers },
    size: nodes,
  });
  const recorder = new HistoryRecorder<RegisterCall, RegisterResult>();
  const workload = new Workload({
    time,
    trace: told,
    recorder,
    violate,
    nodes: () => cluster.nodes,
    random: random.fork(),
    clients,
    thinkMs: THINK_MS,
  });
  const nemesis = new Nemesis(cluster, random.fork(), plan.without);
  const isBroken = (): boolean => {
    cluster.notice();
    return violations.length > 0;
  };
  await time.runUntil(isBroken, plan.safetyMs);
  told.event('all is well from here on');
  nemesis.stop();
  workload.stop();
  cluster.heal();
  await time.runUntil(() => isBroken() || workload.isIdle, LIVENESS_MS);
  if (violations.length === 0) await converge(cluster, workload, violate, isBroken);
  const history = recorder.history();
  if (violations.length === 0) {
    const verdict = checkLinearizable(registerModel, history);
    if (verdict.kind === 'violation') {
      violate(verdict.conflicts.map(({ text }) => text).join('\n'));
    } else if (verdict.kind === 'undecided') violate(`undecided: ${verdict.reason}`);
  }
  cluster.stop();
  told.number(Number.parseInt(trace.hash.slice(8), 16));
  const used = process.cpuUsage(began);
  return {
    seed: plan.seed,
    violations,
    traceHash: told.hash,
    events: trace.count,
    simulatedMs: time.monotonicMs(),
    processorMs: (used.user + used.system) / 1000,
    nodes,
    clients,
    answers: workload.answers,
    operations: history.length,
    acknowledgedWrites: history.filter(
      ({ result }) => result?.kind === 'written' || result?.kind === 'deleted',
    ).length,
    histories: new Set(history.map(({ key }) => key)).size,
    powerCuts: cluster.nodes.reduce((sum, node) => sum + node.powerCuts, 0),
    kills: cluster.nodes.reduce((sum, node) => sum + node.kills, 0),
    starts: cluster.nodes.reduce((sum, { starts }) => sum + starts, 0),
    faults: nemesis.counts,
  };
}

/** A healed cluster answers on every member, and has the same everywhere. */
async function converge(
  cluster: SimulatedCluster,
  workload: Workload,
  violate: (what: string) => void,
  isBroken: () => boolean,
): Promise<void> {
  const { time } = cluster;
  const hasLeader = await time.runUntil(
    () => isBroken() || cluster.leader() !== undefined,
    LIVENESS_MS,
  );
  const leader = cluster.leader();
  if (!hasLeader || leader === undefined) return violate('a healed cluster has no leader');
  const members = new Set<string>(leader.cluster.status().members.map(({ nodeId }) => nodeId));
  const nodes = cluster.nodes.filter(({ name }) => members.has(name));
  const contents: string[] = [];
  for (const node of nodes) {
    const store = node.replica?.store;
    if (store === undefined) return violate(`${node.name} is not up`);
    let text: string | undefined;
    let problem = 'does not answer';
    for (let attempt = 0; attempt < 5 && text === undefined; attempt++) {
      let isSettled = false;
      void store
        .scan({ limit: 1000 })
        .then(
          ({ entries }) => {
            text = entries
              .map(({ key, version, value }) => [key, version, value].map(String).join(' '))
              .join('\n');
          },
          (error: unknown) => {
            problem = String(error);
          },
        )
        .finally(() => {
          isSettled = true;
        });
      await time.runUntil(() => isBroken() || isSettled, LIVENESS_MS);
    }
    if (text === undefined) return violate(`a healed cluster: ${node.name} ${problem}`);
    contents.push(text);
    for (let key = 0; key < 8; key++) {
      let isDone = false;
      void workload.read(`reader of ${node.name}`, `k${key}`, node).finally(() => {
        isDone = true;
      });
      await time.runUntil(() => isBroken() || isDone, LIVENESS_MS);
    }
  }
  if (new Set(contents).size > 1) violate('a healed cluster has not the same on every node');
}
