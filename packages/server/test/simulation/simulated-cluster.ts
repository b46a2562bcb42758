/** Nodes of real code on seeded disks and one network, and what is done to all of them. */
import type { Address } from '@holdfast/env';
import { type LinkFaults, MemoryNetwork, type SeededRandom } from '@holdfast/env/memory';
import type { Replica, ReplicaSettings } from '@holdfast/replica';
import { SimulatedNode, type World } from './simulated-node.ts';
import type { SimulatedTime } from './simulated-time.ts';
import type { Trace } from './trace.ts';

const FIRST_PORT = 7000;
const RESTART_MS = 3000;
/** So that one of them may be away. */
const FEWEST_VOTERS = 3;
/** Between the steps of a replacement. */
const STEP_MS = 500;
/** A change that was asked of a process that is gone by now has no answer. */
const CHANGE_LIMIT_MS = 30_000;

/** Why so small: segments rotate, tables are flushed and merged within a short run. By the dice, some more often than others. */
function settingsOf(random: SeededRandom): ReplicaSettings {
  return {
    // What rots is had from other nodes where it can be.
    repairsFromPeers: true,
    // With a short log whoever was away for a while is sent the state and not the entries.
    retainedLogBytes: random.below(2) === 0 ? 1 : 16 * 1024 * 1024,
    store: {
      reserveSizeBytes: 64 * 1024,
      // Why not less: a memtable takes whole slabs of 64 KiB.
      memtableSizeBytes: 96 * 1024,
      replaySizeBytes: (16 << random.below(4)) * 1024,
      wal: {
        segmentSizeBytes: 256 * 1024,
        preallocate: false,
        // Without one every value is read from the disk.
        cacheSizeBytes: random.below(2) * 128 * 1024,
      },
    },
  };
}

export interface ClusterOptions
  extends Pick<World, 'time' | 'trace' | 'shared' | 'violate' | 'hasObjects'> {
  readonly size: number;
  readonly random: SeededRandom;
}

export class SimulatedCluster {
  readonly time: SimulatedTime;
  readonly trace: Trace;
  readonly network: MemoryNetwork;
  /** Of an ordinary moment. */
  readonly usualFaults: LinkFaults = { delayMs: [0.1, 1] };
  readonly #world: World;
  readonly #random: SeededRandom;
  readonly #nodes = new Map<string, SimulatedNode>();
  /** Restarts what is down, sooner or later. */
  #isTended = true;
  #next: number;
  #isChanging = false;
  /** Machines that were thrown away. */
  readonly #retired: SimulatedNode[] = [];

  constructor(options: ClusterOptions) {
    const { time, trace, shared, violate, size, random, hasObjects } = options;
    this.time = time;
    this.trace = trace;
    this.#random = random;
    this.network = new MemoryNetwork({
      clock: time,
      seed: random.below(2 ** 31),
      faults: this.usualFaults,
    });
    const names = Array.from({ length: size }, (_, at) => `n${at + 1}`);
    const founders = Object.fromEntries(names.map((name, at) => [name, addressOf(at + 1)]));
    this.#world = {
      time,
      trace,
      shared,
      violate,
      hasObjects,
      founders,
      network: this.network,
      settings: settingsOf(random),
    };
    this.#next = size + 1;
    for (const [name, address] of Object.entries(founders)) this.#make(name, address);
    for (const node of this.nodes) node.start();
    this.#tend();
  }

  get nodes(): readonly SimulatedNode[] {
    return [...this.#nodes.values()];
  }

  /** Those that are no more among them. */
  get allNodes(): readonly SimulatedNode[] {
    return [...this.#retired, ...this.#nodes.values()];
  }

  /** To be called after every event. */
  notice(): void {
    for (const node of this.#nodes.values()) node.notice();
  }

  /** Who leads in the highest term, as far as anybody knows. */
  leader(): Replica | undefined {
    let found: Replica | undefined;
    for (const { replica } of this.#nodes.values()) {
      if (replica === undefined) continue;
      const { role, term } = replica.cluster.status();
      if (role !== 'leader') continue;
      if (found === undefined || found.cluster.status().term < term) found = replica;
    }
    return found;
  }

  leaderName(): string | undefined {
    return this.leader()?.cluster.status().nodeId;
  }

  /** `to`: default is who has most of the log. */
  transferLeadership(to?: string): void {
    this.leader()
      ?.cluster.transferLeader(to)
      .catch((error: unknown) => this.trace.event(`no transfer: ${String(error)}`));
  }

  /** Takes a new node in, or puts out one that was; one change at a time. */
  changeMembers(random: SeededRandom): void {
    const leader = this.leader();
    if (leader === undefined || this.#isChanging) return;
    const members = leader.cluster.status().members.map(({ nodeId }) => nodeId as string);
    const founders = Object.keys(this.#world.founders);
    const isLess = members.length > founders.length || random.below(3) === 0;
    this.#follow(
      isLess
        ? this.#remove(leader, members[random.below(members.length)] as string)
        : this.#add(leader),
    );
  }

  /** As `changeMembers`; takes a new one in first where too few would be left. */
  removeLeader(): void {
    const leader = this.leader();
    if (leader === undefined || this.#isChanging) return;
    const { nodeId, members } = leader.cluster.status();
    const voters = members.filter(({ role }) => role === 'voter');
    this.#follow(voters.length > FEWEST_VOTERS ? this.#remove(leader, nodeId) : this.#add(leader));
  }

  #follow(change: Promise<void>): void {
    this.#isChanging = true;
    change
      .catch((error: unknown) => this.trace.event(`no change of members: ${String(error)}`))
      .finally(() => {
        this.#isChanging = false;
      });
  }

  /** All faults are over: every member is to run from here on. */
  heal(): void {
    this.network.heal();
    this.network.setFaults(this.usualFaults);
    for (const node of this.nodes) {
      node.resume();
      node.isSlow = false;
      node.turnMs = 0;
      node.files.setCapacity(Number.POSITIVE_INFINITY);
      if (node.files.stopped) node.notice();
      node.files.misdirectWhen(undefined);
      // What is still to fail is a fault that was planted: a disk that is copied has none.
      if (node.isUp && node.isExcused && !node.isFragile) node.crash();
      node.isExcused = false;
      node.start();
    }
  }

  /** A new machine takes the place of one whose disk is damaged: resolves when it is a voter, and the old one no member. */
  async replace(old: SimulatedNode): Promise<void> {
    while (this.#isChanging) await this.time.sleep(STEP_MS);
    if (old.isRetired) return;
    this.#isChanging = true;
    this.trace.event(`${old.name} is to be replaced`);
    const fresh = this.#makeLater();
    for (let isDone = false; !isDone && this.#isTended; ) {
      fresh.start();
      isDone = await this.#stepToReplace(old, fresh).catch((error: unknown) => {
        this.trace.event(`not replaced yet: ${String(error)}`);
        return false;
      });
      await this.time.sleep(STEP_MS);
    }
    old.retire();
    this.#nodes.delete(old.name);
    this.#retired.push(old);
    this.#isChanging = false;
    this.trace.event(`${fresh.name} has taken the place of ${old.name}`);
  }

  /** Whether it was the last step. The new one is a voter before the old one goes, so that no majority gets smaller. */
  async #stepToReplace(old: SimulatedNode, fresh: SimulatedNode): Promise<boolean> {
    const leader = this.leader();
    if (leader === undefined) return false;
    const { members } = leader.cluster.status();
    const role = members.find(({ nodeId }) => nodeId === fresh.name)?.role;
    const { cluster } = leader;
    if (role === undefined) await this.#answered(cluster.add(fresh.name, fresh.address));
    else if (role === 'learner') await this.#answered(cluster.promote(fresh.name));
    else if (members.some(({ nodeId }) => nodeId === old.name)) {
      // Why first: one that is being taken in anew, with what was damaged set aside, asks for it as often as it is removed.
      old.retire();
      await this.#answered(cluster.remove(old.name));
    } else return true;
    return false;
  }

  stop(): void {
    this.#isTended = false;
  }

  async #add(leader: Replica): Promise<void> {
    const node = this.#makeLater();
    const { name } = node;
    node.start();
    this.trace.event(`${name} is to join`);
    await this.#answered(leader.cluster.add(name, node.address));
    for (let attempt = 0; attempt < 20; attempt++) {
      await this.time.sleep(500);
      const now = this.leader();
      try {
        await this.#answered(now?.cluster.promote(name));
        this.trace.event(`${name} is a voter`);
        return;
      } catch (error) {
        this.trace.event(`${name} is not a voter yet: ${String(error)}`);
      }
    }
  }

  async #remove(leader: Replica, name: string): Promise<void> {
    const { members } = leader.cluster.status();
    if (members.filter(({ role }) => role === 'voter').length <= FEWEST_VOTERS) return;
    await this.#answered(leader.cluster.remove(name));
    this.trace.event(`${name} is no member any more`);
  }

  async #answered<Value>(change: Promise<Value> | undefined): Promise<Value | undefined> {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const limit = this.time.setTimer(CHANGE_LIMIT_MS, () => reject(new Error('no answer')));
    try {
      return await Promise.race([change, late]);
    } finally {
      limit.cancel();
    }
  }

  /** A machine that is to join. */
  #makeLater(): SimulatedNode {
    const number = this.#next++;
    const joins = Object.fromEntries(this.nodes.map((node) => [node.name, node.address]));
    return this.#make(`n${number}`, addressOf(number), joins);
  }

  #make(name: string, address: Address, joins?: Readonly<Record<string, Address>>): SimulatedNode {
    const node = new SimulatedNode(this.#world, name, address, this.#random.fork(), joins);
    this.#nodes.set(name, node);
    return node;
  }

  /** Every node that is down is started some time later. */
  #tend(): void {
    this.time.setTimer((RESTART_MS * (1 + this.#random.below(1000))) / 1000, () => {
      if (!this.#isTended) return;
      const lost = this.nodes.find(({ isBeyondRepair }) => isBeyondRepair);
      if (lost !== undefined && !this.#isChanging) void this.replace(lost);
      const down = this.nodes.filter(({ isUp }) => !isUp);
      if (down.length > 0) down[this.#random.below(down.length)]?.start();
      this.#tend();
    });
  }
}

function addressOf(number: number): Address {
  return { host: 'memory', port: FIRST_PORT + number };
}
