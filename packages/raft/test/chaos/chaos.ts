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
  type PersistRequest,
  type RaftOptions,
} from '../../src/index.ts';
import { newDisk, partsOf, writeToDisk } from '../fixtures/test-disk.ts';
import { command, seededRandom, TestNode, wordsOf } from '../fixtures/test-node.ts';
import { type Climate, type Happening, USUAL } from './climate.ts';
import {
  Contact,
  mayCallDurable,
  mayLeaveJoint,
  mayNotGrant,
  maySayWhatItIs,
  mustHold,
  termAt,
} from './rules.ts';

export interface ChaosCounts {
  elections: number;
  committed: number;
  reads: number;
  crashes: number;
  stops: number;
  turns: number;
  membershipChanges: number;
  snapshots: number;
}

const SMALL_TIMEOUT_TICKS = 4;
const SMALL: Partial<RaftOptions> = {
  electionTimeoutTicks: SMALL_TIMEOUT_TICKS,
  maxMessageBytes: 150,
  maxInFlightBytes: 400,
  maxUncommittedBytes: 1000,
  maxApplyingBytes: 300,
};

interface Led {
  /** That it led, or -1. */
  readonly term: number;
  readonly commitIndex: number;
  readonly isJoint: boolean;
}

export class Chaos {
  readonly counts: ChaosCounts = {
    elections: 0,
    committed: 0,
    reads: 0,
    crashes: 0,
    stops: 0,
    turns: 0,
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
  /** For each read: what was committed when it was asked, and in which term. */
  readonly #reads = new Map<string, { readonly wanted: number; readonly term: number }>();
  readonly #contact = new Contact();
  /** Of each node, as it was when it was last looked at. */
  readonly #leading = new Map<NodeId, Led>();
  readonly #climate: Climate;
  #isCalm = false;
  #proposals = 0;
  #asleep: NodeId | undefined;

  constructor(seed: number, voters: number, spares: number, climate: Climate = USUAL) {
    this.#random = seededRandom(seed);
    this.#climate = climate;
    const names = Array.from({ length: voters + spares }, (_, n) => nodeId(`n${n + 1}`));
    for (const [position, name] of names.entries()) {
      const random = seededRandom(seed * 31 + position);
      const options = { ...SMALL, ...climate.options, nodeId: name, random };
      const disk = newDisk(configurationOf(names.slice(0, voters)));
      this.#nodes.set(name, new TestNode(disk, options));
    }
  }

  run(events: number): this {
    for (let n = 0; n < events; n++) {
      this.#event();
      if (this.#climate.hasTurns !== true)
        for (const node of this.#nodes.values()) this.#look(node);
    }
    return this;
  }

  /** No more faults: everything must come to rest, with all members alike. */
  calm(): this {
    this.#isCalm = true;
    this.#cut.clear();
    this.#asleep = undefined;
    for (let turn = 0; turn < 400; turn++) {
      for (const node of this.#nodes.values()) {
        this.#tick(node);
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
    let roll = this.#random() * 100;
    const node = this.#pick([...this.#nodes.values()]);
    if (node === undefined) return;
    const next = Object.entries(this.#climate.mix).find(([, share]) => {
      roll -= share;
      return roll < 0;
    });
    this.#happen((next?.[0] ?? 'cut') as Happening, node);
  }

  #happen(what: Happening, node: TestNode): void {
    switch (what) {
      case 'deliver':
        return this.#deliver();
      case 'sync':
        return this.#awake(node)?.sync(1);
      case 'tick':
        return this.#tick(this.#awake(node));
      case 'propose':
        return this.#propose(node);
      case 'read':
        return this.#read(node);
      case 'crash':
        return this.#crash(node);
      case 'members':
        return this.#changeMembers(this.#leader() ?? node);
      case 'transfer':
        return this.#transfer(this.#leader() ?? node);
      case 'compact':
        return this.#compact(this.#leader() ?? node);
      case 'restore':
        return this.#restoreOffer(node);
      case 'sleep':
        return this.#sleepOrWake(node);
      case 'cut':
        return this.#cutOrHeal();
      case 'heal':
        return this.#cut.clear();
      case 'estrange':
        return this.#estrange();
      case 'turn':
        return this.#turn(this.#awake(node));
      case 'torn':
        this.#tear(node);
        return this.#crash(node);
      case 'close':
        this.#close(node);
    }
  }

  /** A node that sleeps (a paused process) still has what it was asked, and nothing else happens to it. */
  #awake(node: TestNode): TestNode | undefined {
    return node.id === this.#asleep ? undefined : node;
  }

  #turn(node: TestNode | undefined): void {
    if (node === undefined) return;
    this.counts.turns++;
    this.#look(node);
  }

  /** Where there are turns, who slept takes all that has come for it before it is asked for anything. */
  #sleepOrWake(node: TestNode): void {
    const slept = this.#asleep;
    this.#asleep = this.#random() < 0.5 ? undefined : node.id;
    if (slept === this.#asleep || this.#climate.hasTurns !== true) return;
    const waiting = this.#wire.filter(({ to }) => to === slept);
    this.#wire.splice(0, Infinity, ...this.#wire.filter(({ to }) => to !== slept));
    for (const message of waiting) this.#step(message);
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
    const node = this.#nodes.get(message.to);
    if (node === undefined || this.#cut.has(`${message.from}>${message.to}`)) return;
    if (this.#climate.hasTurns === true) {
      node.raft.step(message);
      return this.#contact.heard(node, message);
    }
    const reason = mayNotGrant(node, message, this.#contact.isFresh(node, SMALL_TIMEOUT_TICKS));
    const { term } = node.raft.status();
    const sentBefore = node.sent.length;
    node.raft.step(message);
    node.pump();
    this.#contact.heard(node, message);
    if (reason === undefined) return;
    const isGranted = node.sent
      .slice(sentBefore)
      .some((sent) => sent.type === 'preVoteReply' && sent.granted);
    const isFollowed = message.type === 'requestVote' && node.raft.status().term !== term;
    if (isGranted || (isFollowed && reason === 'it hears a leader')) {
      throw new Error(`${node.id} grants ${message.type} of ${message.from}, though ${reason}`);
    }
  }

  #tick(node: TestNode | undefined): void {
    node?.tick();
    if (node !== undefined) this.#contact.tick(node);
  }

  #propose(node: TestNode): void {
    const { transferringTo } = node.raft.status();
    const { accepted } = node.raft.propose(command(`p${++this.#proposals}`));
    if (accepted && transferringTo !== undefined) {
      throw new Error(`${node.id} proposes while it hands over to ${transferringTo}`);
    }
  }

  #read(node: TestNode): void {
    const result = node.raft.requestRead();
    if (!result.accepted) return;
    const { term } = node.raft.status();
    this.#reads.set(`${node.id} ${result.readId}`, { wanted: this.#highestCommit, term });
  }

  #crash(node: TestNode): void {
    this.counts.crashes++;
    this.#writeSome(node);
    node.restart();
    this.#contact.lost(node);
  }

  /** The writes become their parts, each of which may be the last that a crash has left. A hard state waits for no entry. */
  #tear(node: TestNode): void {
    const parts: PersistRequest[] = [];
    for (const part of node.writes.flatMap(partsOf)) {
      const isAhead = part.hardState !== undefined && this.#random() < 0.5;
      const before = parts.findLastIndex(({ snapshot, hardState }) => snapshot ?? hardState);
      parts.splice(isAhead ? before + 1 : parts.length, 0, part);
    }
    node.writes = parts;
  }

  /** In order, with work under way: what is committed is noted when some of the writes were done, and more of them are done then. */
  #close(node: TestNode): void {
    this.counts.stops++;
    node.sync(Math.floor(this.#random() * (node.writes.length + 1)));
    node.stop();
    this.#wire.push(...node.take());
    const { disk } = node;
    const { commitIndex, persistedIndex } = node.raft.status();
    this.#tear(node);
    this.#writeSome(node);
    const known = logIndex(Math.min(commitIndex, persistedIndex));
    if (known > disk.hardState.commitIndex) {
      disk.hardState = { ...disk.hardState, commitIndex: known };
    }
    this.#writeSome(node);
    node.restart();
    this.#contact.lost(node);
  }

  #writeSome(node: TestNode): void {
    const count = Math.floor(this.#random() * (node.writes.length + 1));
    for (const request of node.writes.splice(0, count)) writeToDisk(node.disk, request);
  }

  /** Aims at voters chosen by chance: first as learners, then all of them at once. */
  #changeMembers(node: TestNode): void {
    const { voters, learners } = node.raft.status().configuration;
    const ids = [...this.#nodes.keys()];
    const wanted = this.#climate.voters(this.#random);
    while (ids.length > wanted) ids.splice(Math.floor(this.#random() * ids.length), 1);
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
    if (!node.raft.proposeMembership(changes).accepted) return;
    this.counts.membershipChanges++;
    const { commitIndex, term } = node.raft.status();
    if (termAt(node, commitIndex) !== term) {
      throw new Error(`${node.id} changes members before it knows what is committed`);
    }
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
    if (one !== undefined) this.#cutOff(one);
  }

  /** A leader goes on alone: what it takes has to be cut from its log one day. */
  #estrange(): void {
    const leader = this.#leader();
    if (leader === undefined) return;
    this.#cutOff(leader.id);
    for (let n = Math.floor(this.#random() * 4); n >= 0; n--) this.#propose(leader);
  }

  /** One that leads, where the climate asks for it. */
  #leader(): TestNode | undefined {
    if (this.#climate.seeksLeaders !== true) return undefined;
    return this.#pick([...this.#nodes.values()].filter((n) => n.raft.status().role === 'leader'));
  }

  #cutOff(one: NodeId): void {
    for (const other of this.#nodes.keys()) {
      this.#cut.add(`${one}>${other}`);
      if (this.#random() < 0.7) this.#cut.add(`${other}>${one}`);
    }
  }

  #look(node: TestNode): void {
    node.pump();
    this.#wire.push(...node.take());
    const { role, term, commitIndex, configuration } = node.raft.status();
    if (role === 'leader') this.#noteLeader(node, term);
    mayCallDurable(node);
    const before = this.#leading.get(node.id);
    const isJoint = configuration.votersOutgoing.length > 0;
    this.#leading.set(node.id, { term: role === 'leader' ? term : -1, commitIndex, isJoint });
    if (before?.term === term && role === 'leader' && before.isJoint && !isJoint) {
      mayLeaveJoint(node, this.#nodes);
    }
    const hasCounted = before?.term === term && commitIndex > before.commitIndex;
    if (hasCounted && role === 'leader' && termAt(node, commitIndex) !== term) {
      throw new Error(`${node.id} commits entry ${commitIndex} of an older term by counting`);
    }
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
      const asked = this.#reads.get(`${node.id} ${outcome.readId}`);
      if (!outcome.confirmed || asked === undefined) continue;
      this.counts.reads++;
      const { wanted } = asked;
      if (outcome.index < wanted) throw new Error(`stale read: ${outcome.index} after ${wanted}`);
      // Later, and in a turn, several things happen between two looks.
      const isExact = !this.#isCalm && this.#climate.hasTurns !== true;
      if (isExact && asked.term !== term) {
        throw new Error(`${node.id} confirms a read of term ${asked.term} in term ${term}`);
      }
    }
    this.#highestCommit = Math.max(this.#highestCommit, commitIndex);
    for (const other of this.#nodes.values()) maySayWhatItIs(node, other);
  }

  #noteLeader(node: TestNode, term: number): void {
    const { id } = node;
    const known = this.#leaders.get(term);
    if (known === undefined) {
      this.counts.elections++;
      // What a later leader has committed since, of terms before this one, it need not have.
      const isNewest = [...this.#leaders.keys()].every((other) => other < term);
      if (isNewest) mustHold(node, term, this.#committed);
    }
    if (known !== undefined && known !== id) {
      throw new Error(`election safety: ${known} and ${id} lead term ${term}`);
    }
    this.#leaders.set(term, id);
  }

  #pick<T>(from: readonly T[]): T | undefined {
    return from[Math.floor(this.#random() * from.length)];
  }
}
