/** A machine: its disk outlives its processes. */
import type { Address, Env } from '@holdfast/env';
import { MemoryFiles, type MemoryNetwork, SeededRandom } from '@holdfast/env/memory';
import { clusterIdOf, openReplica, type Replica, type ReplicaSettings } from '@holdfast/replica';
import { ProcessClock, type SimulatedTime } from './simulated-time.ts';
import type { Trace } from './trace.ts';

/** What all machines share. */
export interface World {
  readonly time: SimulatedTime;
  readonly network: MemoryNetwork;
  readonly trace: Trace;
  /** What keeps no state. */
  readonly shared: Pick<Env, 'crc32c' | 'digests' | 'ciphers'>;
  readonly settings: ReplicaSettings;
  /** The first members. */
  readonly founders: Readonly<Record<string, Address>>;
  /** Something that must never be. */
  readonly violate: (what: string) => void;
}

interface Process {
  readonly clock: ProcessClock;
  readonly closeNetwork: () => void;
  /** undefined while it starts. */
  replica: Replica | undefined;
  /** Called when the process is gone: its clients see that their connection broke. */
  readonly whenEnded: Set<() => void>;
}

/** How long a machine may take for a write: usually, and while its disk is slow. Milliseconds. */
const WRITE_MS = 0.2;
const SLOW_WRITE_MS = 150;

export class SimulatedNode {
  readonly name: string;
  readonly address: Address;
  readonly #world: World;
  readonly #random: SeededRandom;
  /** Of a node that was added later: whom it may hear from. */
  readonly #joins: Readonly<Record<string, Address>> | undefined;
  files: MemoryFiles;
  isSlow = false;
  /** Why a process of this machine may fail or not start: a fault was planted since it last ran well. */
  isExcused = false;
  #process: Process | undefined;
  starts = 0;
  powerCuts = 0;
  kills = 0;

  constructor(
    world: World,
    name: string,
    address: Address,
    random: SeededRandom,
    joins?: Readonly<Record<string, Address>>,
  ) {
    this.#world = world;
    this.name = name;
    this.address = address;
    this.#random = random;
    this.#joins = joins;
    const latency = random.fork();
    this.files = new MemoryFiles({
      seed: random.below(2 ** 31),
      clock: world.time,
      latencyMs: ({ kind }) => {
        if (kind !== 'writeSynced' && kind !== 'sync') return 0;
        const most = this.isSlow ? SLOW_WRITE_MS : WRITE_MS;
        return (most * (1 + latency.below(1000))) / 1000;
      },
    });
  }

  get isUp(): boolean {
    return this.#process !== undefined;
  }

  /** undefined while it is down or starting. */
  get replica(): Replica | undefined {
    return this.#process?.replica;
  }

  /** Begins to start a process; does nothing where there is one. */
  start(): void {
    if (this.#process !== undefined) return;
    const { time, network, trace, shared, settings, founders } = this.#world;
    this.starts++;
    const clock = new ProcessClock(time);
    const port = network.node(this.name);
    const process: Process = {
      clock,
      closeNetwork: () => void port.close(),
      replica: undefined,
      whenEnded: new Set(),
    };
    this.#process = process;
    trace.event(`${this.name} starts`);
    const random = new SeededRandom(this.#random.below(2 ** 31));
    const isCurrent = (): boolean => this.#process === process;
    openReplica({
      env: { ...shared, files: this.files, clock, random },
      network: port,
      directory: '/data',
      clusterId: clusterIdOf(shared.digests, 'simulation', Object.keys(founders)),
      listen: this.address,
      members: this.#joins ?? founders,
      settings,
      onFailure: (error) => {
        if (isCurrent()) this.#failed('failed', error);
      },
      onPeerFault: (peer, error) => {
        trace.event(`${this.name} has trouble with ${peer}: ${String(error)}`);
      },
    }).then(
      (replica) => {
        if (!isCurrent()) return;
        process.replica = replica;
        trace.event(`${this.name} is up`);
      },
      (error: unknown) => {
        if (isCurrent()) this.#failed('does not start', error);
      },
    );
  }

  /** Calls back once when the process that runs now is gone; returns what takes that back. */
  whenEnded(callback: () => void): () => void {
    const waiting = this.#process?.whenEnded;
    waiting?.add(callback);
    return () => waiting?.delete(callback);
  }

  /** As a power cut does: what was not synced may be lost, in any way that the seed chooses. */
  crash(): void {
    this.#world.trace.event(`${this.name} loses its power`);
    this.powerCuts++;
    this.#end();
    this.files = this.files.crash().files.clone(this.#random.below(2 ** 31));
  }

  /** As kill -9 does: what was written stays. */
  kill(): void {
    this.#world.trace.event(`${this.name} is killed`);
    this.kills++;
    const next = this.files.killed(this.#random.below(2 ** 31));
    this.#end();
    this.files = next;
  }

  pause(): void {
    this.#process?.clock.pause();
    this.#world.network.pause(this.name);
  }

  resume(): void {
    this.#process?.clock.resume();
    this.#world.network.resume(this.name);
  }

  jump(byMs: number): void {
    if (this.#process !== undefined) this.#process.clock.jumpedMs += byMs;
  }

  /** To be asked after every event: a disk that was told to stop at an operation takes its machine with it. */
  notice(): void {
    if (this.#process !== undefined && this.files.stopped) this.crash();
  }

  #end(): void {
    const process = this.#process;
    this.#process = undefined;
    this.files.stop();
    process?.clock.die();
    process?.closeNetwork();
    this.#world.network.stop(this.name);
    for (const callback of process?.whenEnded ?? []) callback();
  }

  #failed(how: string, error: unknown): void {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    if (this.files.stopped) return;
    this.#world.trace.event(`${this.name} ${how}: ${String(error)}`);
    if (!this.isExcused)
      this.#world.violate(`${this.name} ${how}, though nothing was done to it: ${text}`);
    // Why not only the process: what a cache still shows after a failed sync is on no disk, and a log on a file system without
    // direct writes cannot tell (docs/limits.md).
    this.crash();
  }
}
