/** A machine: its disk outlives its processes. */
import { OperatingError } from '@holdfast/bytes';
import type { Address, Env } from '@holdfast/env';
import { MemoryFiles, type MemoryNetwork, SeededRandom } from '@holdfast/env/memory';
import type { KvStore } from '@holdfast/kv';
import { createObjectStore, type ObjectStore } from '@holdfast/objects';
import { clusterIdOf, openReplica, type Replica, type ReplicaSettings } from '@holdfast/replica';
import { simulatedTasks } from './simulated-tasks.ts';
import { ProcessClock, type SimulatedTime } from './simulated-time.ts';
import type { Trace } from './trace.ts';

/** What all machines share. */
export interface World {
  readonly time: SimulatedTime;
  readonly network: MemoryNetwork;
  readonly trace: Trace;
  /** What keeps no state. */
  readonly shared: Pick<Env, 'crc32c' | 'bodyChecksum' | 'digests' | 'ciphers'>;
  readonly settings: ReplicaSettings;
  /** Whether nodes have the object layer. */
  readonly hasObjects: boolean;
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
  objects: ObjectStore | undefined;
  isStopping: boolean;
  /** Called when the process is gone: its clients see that their connection broke. */
  readonly whenEnded: Set<() => void>;
}

/** How long a machine may take for a write: usually, and while its disk is slow. Milliseconds. */
const WRITE_MS = 0.2;
const SLOW_WRITE_MS = 150;
const INTENT_GRACE_MS = 20_000;
const PAGE_BYTES = 4096;
/** Where a disk rots: here and there, or wherever one looks. */
const FEW_PLACES = 4;
const MANY_PLACES = 200;
/** More than the last two batches of a log take. */
const LOG_END_BYTES = 64 * 1024;
/** Batches after which damage before them can be told. The misdirected one is among them. */
const FOLLOWING_WRITES = 4;

export class SimulatedNode {
  readonly name: string;
  readonly address: Address;
  readonly #world: World;
  readonly #random: SeededRandom;
  /** Of a node that was added later: whom it may hear from. */
  readonly #joins: Readonly<Record<string, Address>> | undefined;
  files: MemoryFiles;
  isSlow = false;
  /** How long its turns of the event loop take at most: what comes meanwhile is dealt with together. */
  turnMs = 0;
  /** Why a process of this machine may fail or not start: a fault was planted since it last ran well. */
  isExcused = false;
  /** Bytes of its disk are wrong, by a fault: it may refuse to start or to answer, but never be wrong itself. */
  isRotten = false;
  /** It has refused something for that, and is to be replaced. */
  isBeyondRepair = false;
  isRetired = false;
  /** A write to its log went elsewhere, and few have followed: the damage could still be taken for a torn end. */
  #isFragile = false;
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
      // Both kinds in each cluster: without direct writes a cache may show what the disk failed to write.
      direct: name !== 'n1' && name !== 'n4',
      latencyMs: ({ kind }) => {
        if (kind !== 'writeSynced' && kind !== 'sync') return 0;
        const most = this.isSlow ? SLOW_WRITE_MS : WRITE_MS;
        return (most * (1 + latency.below(1000))) / 1000;
      },
    });
  }

  /** Until then its power must stay on: docs/formats/wal.md says what cannot be told after a crash. */
  get isFragile(): boolean {
    return this.#isFragile;
  }

  /** Lets one of the next writes land elsewhere in its file. */
  misdirect(random: SeededRandom): void {
    this.isRotten = true;
    let waits = random.below(40);
    this.files.misdirectWhen(({ kind, path, position = 0 }) => {
      if (kind !== 'write' && kind !== 'writeSynced') return undefined;
      if (waits-- > 0) return undefined;
      const landing =
        position + (1 + random.below(8)) * PAGE_BYTES * (random.below(2) === 0 ? 1 : -1);
      if (landing < 0) return undefined;
      this.#world.trace.event(
        `${this.name}: a write to ${path} at ${position} lands at ${landing}`,
      );
      if (path.includes('/wal/')) this.#beFragile();
      return landing;
    });
  }

  /** Damages bytes on its disk. Safety: not at the end of the log, where damage cannot be told from a torn end. */
  rot(random: SeededRandom): void {
    const all = this.files.listAll('/data').filter(({ sizeBytes }) => sizeBytes > 0);
    const newest = all.findLast(({ path }) => path.endsWith('.wal'));
    const places = all
      .map(({ path, sizeBytes }) => {
        return { path, sizeBytes: path === newest?.path ? sizeBytes - LOG_END_BYTES : sizeBytes };
      })
      .filter(({ sizeBytes }) => sizeBytes > 0);
    if (places.length === 0) return;
    this.isRotten = true;
    const most = random.below(2) === 0 ? FEW_PLACES : MANY_PLACES;
    for (let count = 1 + random.below(most); count > 0; count--) {
      // Any file as well, for the small ones: by their bytes it would always be the log.
      const place =
        count % 8 === 1 ? places[random.below(places.length)] : placeOfByte(places, random);
      const { path, sizeBytes } = place as (typeof places)[number];
      const offset = random.below(sizeBytes);
      const length = Math.min(sizeBytes - offset, 1 + random.below(600));
      const how = (['flip', 'zero', 'garble'] as const)[random.below(3)] ?? 'flip';
      this.#world.trace.event(`${this.name}: ${length} bytes of ${path} at ${offset}: ${how}`);
      this.files.corrupt(path, { offset, length, how });
    }
  }

  get isUp(): boolean {
    return this.#process !== undefined;
  }

  /** undefined while it is down or starting. */
  get replica(): Replica | undefined {
    return this.#process?.replica;
  }

  /** undefined where there is no replica. */
  get objects(): ObjectStore | undefined {
    return this.#process?.objects;
  }

  /** Begins to start a process; does nothing where there is one. */
  start(): void {
    if (this.#process !== undefined || this.isRetired) return;
    const { time, network, trace, shared, settings, founders, hasObjects } = this.#world;
    this.starts++;
    const clock = new ProcessClock(time);
    const port = network.node(this.name);
    const process: Process = {
      clock,
      closeNetwork: () => void port.close(),
      replica: undefined,
      objects: undefined,
      isStopping: false,
      whenEnded: new Set(),
    };
    this.#process = process;
    trace.event(`${this.name} starts`);
    const random = new SeededRandom(this.#random.below(2 ** 31));
    const isCurrent = (): boolean => this.#process === process;
    const env = { ...shared, files: this.files, clock, random };
    openReplica({
      env,
      network: port,
      directory: '/data',
      clusterId: clusterIdOf(shared.digests, 'simulation', Object.keys(founders)),
      listen: this.address,
      members: this.#joins ?? founders,
      settings,
      afterTurn: (run) => {
        if (this.turnMs === 0) void Promise.resolve().then(run);
        else clock.setTimer(this.#random.below(this.turnMs), run);
      },
      onFailure: (error) => {
        if (isCurrent()) this.#failed('failed', error);
      },
      onSetAside: (damage) => {
        trace.event(`${this.name} sets its files aside: ${String(damage)}`);
      },
      onPeerFault: (peer, error) => {
        trace.event(`${this.name} has trouble with ${peer}: ${String(error)}`);
      },
    }).then(
      (replica) => {
        if (!isCurrent()) return;
        process.replica = replica;
        if (hasObjects) process.objects = this.#openObjects(env, replica.store);
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

  /** Is thrown away. */
  retire(): void {
    this.isRetired = true;
    this.#end();
  }

  /** As kill -9 does: what was written stays. */
  kill(): void {
    this.#world.trace.event(`${this.name} is killed`);
    this.kills++;
    const next = this.files.killed(this.#random.below(2 ** 31));
    this.#end();
    this.files = next;
  }

  /** In order, with work under way; in the end nothing more than is on the disk may be needed. */
  stop(): void {
    const process = this.#process;
    if (process?.replica === undefined || process.isStopping) return;
    process.isStopping = true;
    this.#world.trace.event(`${this.name} is stopped`);
    const isCurrent = (): boolean => this.#process === process;
    process.replica.store.close().then(
      () => {
        if (isCurrent()) this.crash();
      },
      (error: unknown) => {
        if (isCurrent()) this.#failed('does not stop', error);
      },
    );
  }

  /** Its power fails when the next hard state of its log is durable, and little of what follows it. Returns what takes that back. */
  crashBehindState(): () => void {
    const { files } = this;
    let isOver = false;
    files.watch(({ path }, moment) => {
      if (isOver || moment !== 'done' || !path.includes('/state-')) return;
      isOver = true;
      files.stopAt(files.operationCount + 1 + this.#random.below(3));
    });
    return () => {
      isOver = true;
    };
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

  /** Small limits, so that small objects have several chunks and what is left over is collected within a run. */
  #openObjects(env: Env, kv: KvStore): ObjectStore {
    const { trace } = this.#world;
    const tasks = simulatedTasks(env.clock, (name, error) => {
      trace.event(`${this.name} gives up a task of ${name}: ${String(error)}`);
    });
    return createObjectStore({
      kv,
      env,
      tasks,
      chunkSizeBytes: 4096,
      inlineSizeBytes: 1024,
      minPartSizeBytes: 1,
      intentGraceMs: INTENT_GRACE_MS,
    });
  }

  #beFragile(): void {
    this.#isFragile = true;
    let left = FOLLOWING_WRITES;
    this.files.watch(({ kind, path }, moment) => {
      if (moment !== 'done' || kind !== 'writeSynced' || !path.includes('/wal/')) return;
      if (--left === 0) this.#isFragile = false;
    });
  }

  #failed(how: string, error: unknown): void {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    if (this.files.stopped) return;
    this.#world.trace.event(`${this.name} ${how}: ${String(error)}`);
    // What it found wrong it must say in words of its own.
    if (this.isRotten && error instanceof OperatingError) this.isBeyondRepair = true;
    else if (!this.isExcused)
      this.#world.violate(`${this.name} ${how}, though nothing was done to it: ${text}`);
    // Why not only the process: what a cache still shows after a failed sync is on no disk, and a log on a file system without
    // direct writes cannot tell (docs/limits.md).
    this.crash();
  }
}

function placeOfByte<Place extends { readonly sizeBytes: number }>(
  places: readonly Place[],
  random: SeededRandom,
): Place | undefined {
  let at = random.below(places.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0));
  return places.find(({ sizeBytes }) => {
    at -= sizeBytes;
    return at < 0;
  });
}
