/**
 * A cluster to which anything may happen, by chance from a seed: messages late, lost, repeated and out of order, crashes
 * that lose what was not synced, cut links, elections, proposals, reads, changes of members, transfers, compaction
 * and snapshots. After every event it is checked that nothing was broken.
 */
import { logIndex } from '@holdfast/bytes';
import {
  configurationOf,
  type MembershipChange,
  type Message,
  type NodeId,
  nodeId,
  type RaftOptions,
} from '../../src/index.ts';
import { newDisk, writeToDisk } from '../fixtures/test-disk.ts';
import { command, seededRandom, TestNode, wordsOf } from '../fixtures/test-node.ts';

export interface ChaosCounts {
  elections: number;
  committed: number;
  reads: number;
  crashes: number;
  membershipChanges: number;
  snapshots: number;
}

const SMALL: Partial<RaftOptions> = {
  electionTimeoutTicks: 4,
  maxMessageBytes: 150,
  maxInFlightBytes: 400,
  maxUncommittedBytes: 1000,
  maxApplyingBytes: 300,
};

export class Chaos {
  readonly counts: ChaosCounts = {
    elections: 0,
    committed: 0,
    reads: 0,
    crashes: 0,
    membershipChanges: 0,
    snapshots: 0,
  };
  readonly #random: () => number;
  readonly #nodes = new Map<NodeId, TestNode>();
  readonly #wire: Message[] = [];
  readonly #cut = new Set<string>();
  /** What is known to be committed at index n + 1, by whoever knew it first. */
  readonly #committed: string[] = [];
  #highestCommit = 0;
  readonly #leaders = new Map<number, NodeId>();
  /** For each read: what was committed when it was asked. */
  readonly #reads = new Map<string, number>();
  #proposals = 0;
  #asleep: NodeId | undefined;

  constructor(seed: number, voters: number, spares: number) {
    this.#random = seededRandom(seed);
    const names = Array.from({ length: voters + spares }, (_, n) => nodeId(`n${n + 1}`));
    for (const [position, name] of names.entries()) {
      const options = { ...SMALL, nodeId: name, random: seededRandom(seed * 31 + position) };
      const disk = newDisk(configurationOf(names.slice(0, voters)));
      this.#nodes.set(name, new TestNode(disk, options));
    }
  }

  run(events: number): this {
    for (let n = 0; n < events; n++) {
      this.#event();
      for (const node of this.#nodes.values()) this.#look(node);
    }
    return this;
  }

  /** No more faults: everything must come to rest, with all members alike. */
  calm(): this {
    this.#cut.clear();
    this.#asleep = undefined;
    for (let turn = 0; turn < 400; turn++) {
      for (const node of this.#nodes.values()) {
        node.tick();
        node.settle();
        this.#restoreOffer(node);
        this.#look(node);
      }
      for (const message of this.#wire.splice(0)) this.#step(message);
    }
    return this;
  }

  /** The members of the leader's configuration, and what each has applied up to. */
  appliedByMembers(): number[] {
    const leader = [...this.#nodes.values()].find((n) => n.raft.status().role === 'leader');
    const { voters = [] } = leader?.raft.status().configuration ?? {};
    return voters.map((id) => this.#nodes.get(id)?.raft.status().appliedIndex ?? -1);
  }

  #event(): void {
    const roll = this.#random() * 100;
    const node = this.#pick([...this.#nodes.values()]);
    if (node === undefined) return;
    if (roll < 50) this.#deliver();
    else if (roll < 72) this.#awake(node)?.sync(1);
    else if (roll < 82) this.#awake(node)?.tick();
    else if (roll < 89) node.raft.propose(command(`p${++this.#proposals}`));
    else if (roll < 92) this.#read(node);
    else if (roll < 92.6) this.#crash(node);
    else if (roll < 96) this.#changeMembers(node);
    else if (roll < 97) this.#transfer(node);
    else if (roll < 97.6) this.#compact(node);
    else if (roll < 98.6) this.#restoreOffer(node);
    else if (roll < 99.2) this.#asleep = this.#random() < 0.5 ? undefined : node.id;
    else this.#cutOrHeal();
  }

  /** A node that sleeps (a paused process) still has what it was asked, and nothing else happens to it. */
  #awake(node: TestNode): TestNode | undefined {
    return node.id === this.#asleep ? undefined : node;
  }

  #deliver(): void {
    const position = Math.floor(this.#random() * this.#wire.length);
    const message = this.#wire[position];
    if (message === undefined || message.to === this.#asleep) return;
    const fate = this.#random();
    if (fate > 0.1) this.#wire.splice(position, 1);
    if (fate < 0.93) this.#step(message);
  }

  #step(message: Message): void {
    if (this.#cut.has(`${message.from}>${message.to}`)) return;
    this.#nodes.get(message.to)?.raft.step(message);
  }

  #read(node: TestNode): void {
    const result = node.raft.requestRead();
    if (result.accepted) this.#reads.set(`${node.id} ${result.readId}`, this.#highestCommit);
  }

  #crash(node: TestNode): void {
    this.counts.crashes++;
    const survivors = Math.floor(this.#random() * (node.writes.length + 1));
    for (const request of node.writes.slice(0, survivors)) writeToDisk(node.disk, request);
    node.restart();
  }

  /** Aims at three voters chosen by chance: first as learners, then all of them at once. */
  #changeMembers(node: TestNode): void {
    const { voters, learners } = node.raft.status().configuration;
    const ids = [...this.#nodes.keys()];
    while (ids.length > 3) ids.splice(Math.floor(this.#random() * ids.length), 1);
    const strangers = ids.filter((id) => !voters.includes(id) && !learners.includes(id));
    const out = this.#random() < 0.5 ? ('remove' as const) : ('demote' as const);
    const changes: MembershipChange[] =
      strangers.length > 0
        ? strangers.map((id) => ({ type: 'addLearner', nodeId: id }))
        : [
            ...ids
              .filter((id) => learners.includes(id))
              .map((id) => ({ type: 'promote' as const, nodeId: id })),
            ...voters.filter((id) => !ids.includes(id)).map((id) => ({ type: out, nodeId: id })),
          ];
    if (node.raft.proposeMembership(changes).accepted) this.counts.membershipChanges++;
  }

  #transfer(node: TestNode): void {
    const to = this.#pick([...this.#nodes.keys()]);
    if (to !== undefined) node.raft.transferLeadership(to);
  }

  #compact(node: TestNode): void {
    const { appliedIndex, firstIndex } = node.raft.status();
    const kept = Math.floor(this.#random() * 3);
    const isDurable = node.writes.every((write) => write.snapshot === undefined);
    if (isDurable && appliedIndex - kept >= firstIndex) {
      node.compact(logIndex(appliedIndex - kept), appliedIndex);
    }
  }

  #restoreOffer(node: TestNode): void {
    const { offer } = node;
    node.offer = undefined;
    if (offer !== undefined && node.raft.restoreSnapshot(offer)) this.counts.snapshots++;
  }

  #cutOrHeal(): void {
    if (this.#random() < 0.5) {
      this.#cut.clear();
      return;
    }
    const one = this.#pick([...this.#nodes.keys()]);
    for (const other of this.#nodes.keys()) {
      this.#cut.add(`${one}>${other}`);
      if (this.#random() < 0.7) this.#cut.add(`${other}>${one}`);
    }
  }

  #look(node: TestNode): void {
    node.pump();
    this.#wire.push(...node.take());
    const { role, term, commitIndex } = node.raft.status();
    if (role === 'leader') this.#noteLeader(node.id, term);
    for (const entry of node.applied.splice(0)) {
      const said = `${entry.term} ${wordsOf(entry)}`;
      const known = this.#committed[entry.index - 1];
      if (known !== undefined && known !== said) {
        throw new Error(
          `state machine safety: ${node.id} applies ${said} at ${entry.index}, not ${known}`,
        );
      }
      this.#committed[entry.index - 1] = said;
      this.counts.committed = Math.max(this.counts.committed, entry.index);
    }
    for (const outcome of node.readResults.splice(0)) {
      const wanted = this.#reads.get(`${node.id} ${outcome.readId}`) ?? 0;
      if (!outcome.confirmed) continue;
      this.counts.reads++;
      if (outcome.index < wanted) throw new Error(`stale read: ${outcome.index} after ${wanted}`);
    }
    this.#highestCommit = Math.max(this.#highestCommit, commitIndex);
  }

  #noteLeader(id: NodeId, term: number): void {
    const known = this.#leaders.get(term);
    if (known === undefined) this.counts.elections++;
    if (known !== undefined && known !== id) {
      throw new Error(`election safety: ${known} and ${id} lead term ${term}`);
    }
    this.#leaders.set(term, id);
  }

  #pick<T>(from: readonly T[]): T | undefined {
    return from[Math.floor(this.#random() * from.length)];
  }
}
