/**
 * A whole cluster in one thread, from a seed: first everything goes wrong and nothing may be lost (safety), then nothing goes
 * wrong any more and everything must work again (liveness).
 */
import { createMemoryEnv, SeededRandom } from '@holdfast/env/memory';
import {
  checkLinearizable,
  HistoryRecorder,
  type RegisterOperation,
  registerModel,
} from '@holdfast/sim/history';
import { converge, LIVENESS_MS } from './convergence.ts';
import { Nemesis } from './nemesis.ts';
import { ObjectWorkload } from './object-workload.ts';
import type { SimulationPlan } from './plan.ts';
import { SimulatedCluster } from './simulated-cluster.ts';
import type { SimulatedNode } from './simulated-node.ts';
import { SimulatedTime } from './simulated-time.ts';
import { Trace } from './trace.ts';
import { type Recorder, Workload, type WorkloadOptions } from './workload.ts';

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
  readonly objectAnswers: number;
  readonly operations: number;
  readonly acknowledgedWrites: number;
  /** Keys whose history was checked. */
  readonly histories: number;
  /** Reads of single versions of objects that were as they were acknowledged. */
  readonly verifiedVersions: number;
  readonly starts: number;
  readonly powerCuts: number;
  readonly kills: number;
  /** Machines that others took the place of, since their disk was damaged. */
  readonly replacements: number;
  /** How often each fault struck. */
  readonly faults: Readonly<Record<string, number>>;
}

const CLIENTS = 6;
const THINK_MS = 50;
/** Why longer: each operation of an object is several of the store below. */
const OBJECT_THINK_MS = 200;

export async function simulate(
  plan: SimulationPlan,
  { drain, print }: Surroundings,
): Promise<SimulationReport> {
  const began = process.cpuUsage();
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
  const world = await begin(plan, { time, trace: told, violate });
  const { cluster, workload, objects, recorder, nemesis } = world;
  const isBroken = (): boolean => {
    cluster.notice();
    return violations.length > 0;
  };
  await time.runUntil(isBroken, plan.safetyMs);
  told.event('all is well from here on');
  nemesis.stop();
  workload.stop();
  objects?.stop();
  cluster.heal();
  const isIdle = (): boolean => workload.isIdle && objects?.isIdle !== false;
  await time.runUntil(() => isBroken() || isIdle(), LIVENESS_MS);
  if (violations.length === 0) await converge({ cluster, workload, objects, violate, isBroken });
  const history = recorder.history();
  if (violations.length === 0) check(history, violate);
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
    ...countsOf(world, history),
  };
}

interface SimulatedWorld {
  readonly cluster: SimulatedCluster;
  readonly workload: Workload;
  readonly objects: ObjectWorkload | undefined;
  readonly recorder: Recorder;
  readonly nemesis: Nemesis;
  readonly nodes: number;
  readonly clients: number;
}

async function begin(
  plan: SimulationPlan,
  shared: Pick<WorkloadOptions, 'time' | 'trace' | 'violate'>,
): Promise<SimulatedWorld> {
  const random = new SeededRandom(plan.seed);
  const { crc32c, bodyChecksum, digests, ciphers } = await createMemoryEnv();
  // Thrown in any case, so that the rest of the run has the same numbers.
  const diced = { nodes: 3 + random.below(3), objects: random.below(3) === 0 };
  const { nodes = diced.nodes, objects: hasObjects = diced.objects, clients = CLIENTS } = plan;
  const cluster = new SimulatedCluster({
    ...shared,
    hasObjects,
    random: random.fork(),
    shared: { crc32c, bodyChecksum, digests, ciphers },
    size: nodes,
  });
  const recorder: Recorder = new HistoryRecorder();
  const common = { ...shared, recorder, nodes: () => cluster.nodes };
  const workload = new Workload({
    ...common,
    random: random.fork(),
    clients,
    thinkMs: THINK_MS,
  });
  const objectRandom = random.fork();
  const objectClients = Math.ceil(clients / 2);
  const objects = hasObjects
    ? new ObjectWorkload({
        ...common,
        random: objectRandom,
        clients: objectClients,
        thinkMs: OBJECT_THINK_MS,
      })
    : undefined;
  const nemesis = new Nemesis(cluster, random.fork(), plan.without);
  return { cluster, workload, objects, recorder, nemesis, nodes, clients };
}

function check(history: readonly RegisterOperation[], violate: (what: string) => void): void {
  const verdict = checkLinearizable(registerModel, history);
  if (verdict.kind === 'violation') {
    violate(verdict.conflicts.map(({ text }) => text).join('\n'));
  } else if (verdict.kind === 'undecided') violate(`undecided: ${verdict.reason}`);
}

function countsOf(
  { cluster, workload, objects, nemesis, nodes, clients }: SimulatedWorld,
  history: readonly RegisterOperation[],
): Omit<
  SimulationReport,
  'seed' | 'violations' | 'traceHash' | 'events' | 'simulatedMs' | 'processorMs'
> {
  const machines = cluster.allNodes;
  const sum = (of: (node: SimulatedNode) => number): number =>
    machines.reduce((total, node) => total + of(node), 0);
  const isWrite = ({ result }: RegisterOperation): boolean =>
    result?.kind === 'written' || result?.kind === 'deleted';
  return {
    nodes,
    clients,
    answers: workload.answers,
    objectAnswers: objects?.answers ?? 0,
    operations: history.length,
    acknowledgedWrites: history.filter(isWrite).length,
    histories: new Set(history.map(({ key }) => key)).size,
    verifiedVersions: objects?.verifiedVersions ?? 0,
    powerCuts: sum((node) => node.powerCuts),
    kills: sum((node) => node.kills),
    starts: sum((node) => node.starts),
    replacements: machines.filter(({ isRetired }) => isRetired).length,
    faults: nemesis.counts,
  };
}
