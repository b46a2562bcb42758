/** What goes wrong: each seed has faults of its own choice, and some of them more often than others. */
import { invariant } from '@holdfast/bytes';
import type { SeededRandom } from '@holdfast/env/memory';
import type { SimulatedCluster } from './simulated-cluster.ts';
import type { SimulatedNode } from './simulated-node.ts';

export const FAULTS = [
  'power cut',
  'power cut at an operation',
  'power cut behind a state',
  'kill',
  'stop',
  'pause',
  'stall',
  'long turns',
  'partition',
  'one-way cut',
  'isolation',
  'lossy network',
  'clock jump',
  'slow disk',
  'failing disk',
  'full disk',
  'misdirected write',
  'bit rot',
  'broken connections',
  'transfer of leadership',
  'transfer across a cut',
  'change of members',
  'removal of the leader',
  'moments without room',
] as const;
type FaultName = (typeof FAULTS)[number];

const MEAN_GAP_MS = 4000;
const MEAN_LENGTH_MS = 3000;
/** From a busy moment to a process that is swapped in. */
const TURNS_MS = [5, 40, 300, 2000];
const DAY_MS = 86_400_000;

export class Nemesis {
  readonly #cluster: SimulatedCluster;
  readonly #random: SeededRandom;
  readonly #weights: readonly (readonly [FaultName, number])[];
  /** What ends each fault that is on. */
  readonly #endings = new Set<() => void>();
  #isOver = false;
  readonly counts: Record<string, number> = {};

  /** `without`: faults that never strike. */
  constructor(cluster: SimulatedCluster, random: SeededRandom, without: readonly string[] = []) {
    this.#cluster = cluster;
    this.#random = random;
    const unknown = without.filter((name) => !(FAULTS as readonly string[]).includes(name));
    invariant(
      unknown.length === 0,
      `no faults: ${unknown.join(', ')}; there are: ${FAULTS.join(', ')}`,
    );
    this.#weights = FAULTS.map((name) => {
      const weight = random.below(3) === 0 ? 0 : 1 + random.below(4);
      return [name, without.includes(name) ? 0 : weight];
    });
    this.#wait();
  }

  /** Ends every fault, and begins none. */
  stop(): void {
    this.#isOver = true;
    for (const end of this.#endings) end();
    this.#endings.clear();
  }

  #wait(): void {
    this.#cluster.time.setTimer(this.#about(MEAN_GAP_MS), () => {
      if (this.#isOver) return;
      this.#strike();
      this.#wait();
    });
  }

  #strike(): void {
    const total = this.#weights.reduce((sum, [, weight]) => sum + weight, 0);
    if (total === 0) return;
    let left = this.#random.below(total);
    for (const [name, weight] of this.#weights) {
      left -= weight;
      if (left >= 0) continue;
      const node = this.#pick(this.#cluster.nodes);
      if (node.isFragile) return;
      this.#cluster.trace.event(`fault: ${name} (${node.name})`);
      this.counts[name] = (this.counts[name] ?? 0) + 1;
      this.#begin(name, node);
      return;
    }
  }

  #begin(name: FaultName, node: SimulatedNode): void {
    const { network } = this.#cluster;
    const others = this.#cluster.nodes.filter((other) => other !== node);
    switch (name) {
      case 'power cut':
        return node.crash();
      case 'power cut at an operation':
        return node.files.stopAt(node.files.operationCount + 1 + this.#random.below(60));
      case 'power cut behind a state':
        this.#endings.add(node.crashBehindState());
        return;
      case 'kill':
        return node.kill();
      case 'stop':
        return node.stop();
      case 'pause':
        node.pause();
        return this.#later(() => node.resume());
      case 'stall':
        return this.#stall(node);
      case 'long turns':
        return this.#lengthenTurns(node);
      case 'partition':
        return this.#partition();
      case 'one-way cut': {
        const other = this.#pick(others);
        network.cut(node.name, other.name);
        return this.#later(() => network.heal());
      }
      case 'isolation':
        network.partition(
          [node.name],
          others.map((other) => other.name),
        );
        return this.#later(() => network.heal());
      case 'lossy network':
        network.setFaults(this.#linkFaults());
        return this.#later(() => network.setFaults(this.#cluster.usualFaults));
      case 'clock jump':
        return node.jump(this.#random.below(2 * DAY_MS) - DAY_MS);
      case 'slow disk':
        node.isSlow = true;
        return this.#later(() => (node.isSlow = false));
      case 'failing disk':
        return this.#failDisk(node);
      case 'full disk':
        return this.#fillDisk(node);
      case 'misdirected write':
        return this.#badDisk(node).misdirect(this.#random);
      case 'bit rot':
        return this.#badDisk(node).rot(this.#random);
      case 'broken connections':
        return network.breakConnections(node.name);
      case 'transfer of leadership':
        return this.#cluster.transferLeadership();
      case 'transfer across a cut':
        return this.#transferAcross(this.#pick(others));
      case 'change of members':
        return this.#cluster.changeMembers(this.#random);
      case 'removal of the leader':
        return this.#cluster.removeLeader();
      case 'moments without room':
        return this.#refuseRoom(node);
    }
  }

  /** Stands still, and then has everything to do at once. */
  #stall(node: SimulatedNode): void {
    node.pause();
    this.#later(() => {
      this.#lengthenTurns(node);
      node.resume();
    });
  }

  #lengthenTurns(node: SimulatedNode): void {
    node.turnMs = this.#pick(TURNS_MS);
    this.#later(() => (node.turnMs = 0));
  }

  /** One of the two ways between the leader and another node is cut, and that is to lead. */
  #transferAcross({ name }: SimulatedNode): void {
    const { network } = this.#cluster;
    const leader = this.#cluster.leaderName();
    if (leader === undefined || leader === name) return;
    if (this.#random.below(2) === 0) network.cut(leader, name);
    else network.cut(name, leader);
    this.#cluster.transferLeadership(name);
    this.#later(() => network.heal());
  }

  #partition(): void {
    const { network, nodes } = this.#cluster;
    const names = nodes.map(({ name }) => name);
    const cut = 1 + this.#random.below(names.length - 1);
    for (let at = names.length - 1; at > 0; at--) {
      const other = this.#random.below(at + 1);
      [names[at], names[other]] = [names[other] as string, names[at] as string];
    }
    network.partition(names.slice(0, cut), names.slice(cut));
    this.#later(() => network.heal());
  }

  #linkFaults(): Parameters<SimulatedCluster['network']['setFaults']>[0] {
    return {
      delayMs: [0, 1 + this.#random.below(200)],
      loss: this.#random.below(30) / 100,
      duplication: this.#random.below(50) / 100,
      reordering: this.#random.below(50) / 100,
    };
  }

  #failDisk(node: SimulatedNode): void {
    node.isExcused = true;
    const kinds = ['write', 'writeSynced', 'sync', 'rename', 'syncDirectory', 'create', 'unlink'];
    const kind = kinds[this.#random.below(kinds.length)];
    const fault = node.files.failWhen({
      when: (operation) => operation.kind === kind,
      code: 'FILE_IO',
    });
    // Of a machine that is off it may wait until all is well.
    this.#endings.add(() => fault.cancel());
  }

  /** One copy at least is good: that of every node but one, which is the same until another has taken its place. */
  #badDisk(node: SimulatedNode): SimulatedNode {
    return this.#cluster.nodes.find(({ isRotten }) => isRotten) ?? node;
  }

  #fillDisk(node: SimulatedNode): void {
    node.isExcused = true;
    const { files } = node;
    files.setCapacity(files.usedBytes() + this.#random.below(2 * 1024 * 1024));
    this.#later(() => node.files.setCapacity(Number.POSITIVE_INFINITY));
  }

  /** Some writes to the log find no room, one after the other or all for a while. It is waited out: the node lives. */
  #refuseRoom(node: SimulatedNode): void {
    const where = this.#pick([/\/wal\//, /\/wal\/state/, /\/wal\/(?!state)/]);
    const chance = 1 + this.#random.below(4);
    const fault = node.files.failWhen({
      when: ({ kind, path }) =>
        kind === 'writeSynced' && where.test(path) && this.#random.below(chance) === 0,
      code: 'NO_SPACE',
      times: Number.POSITIVE_INFINITY,
    });
    this.#later(() => fault.cancel());
  }

  #later(end: () => void): void {
    const once = (): void => {
      if (this.#endings.delete(once)) end();
    };
    this.#endings.add(once);
    this.#cluster.time.setTimer(this.#about(MEAN_LENGTH_MS), once);
  }

  /** Between nothing and twice as much, more often little. */
  #about(meanMs: number): number {
    return (meanMs * (this.#random.below(1000) + 1) * (this.#random.below(1000) + 1)) / 250_000;
  }

  #pick<Item>(items: readonly Item[]): Item {
    return items[this.#random.below(items.length)] as Item;
  }
}
