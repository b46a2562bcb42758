/**
 * An exhaustive breadth-first search of everything that can happen to three nodes within small bounds.
 *
 * The network is the set of all messages ever sent: any of them may arrive at any time, any number of times, or never.
 * So loss, duplication and reordering need no events of their own. Nodes and messages that are equal are one, and
 * what an event does to a node is worked out once; a state is then seven numbers.
 */
import { nodeId } from '../../src/index.ts';
import { Interned } from './interned.ts';
import {
  type Committed,
  durableBits,
  factsOf,
  learned,
  logMatching,
  type NodeFacts,
  violationOfNode,
} from './invariants.ts';
import {
  electedNodes,
  happen,
  keyOfNode,
  type LocalEvent,
  type LocalNode,
  openNode,
} from './local-node.ts';
import { Networks } from './network.ts';
import { StateSet } from './state-set.ts';

export interface Scope {
  /** For each term, from 1: which of the three nodes may start its election. */
  readonly candidates: readonly (readonly number[])[];
  readonly proposals: number;
  readonly crashes: number;
  readonly preVote?: boolean;
  /** Leaders may send heartbeats. */
  readonly heartbeats?: boolean;
  /** Every write is durable at once: fewer states, so that longer stories fit. */
  readonly isDiskInstant?: boolean;
  /** Begin where n1 leads term 1, every node has its first entry, and every message was lost or has arrived. */
  readonly startsElected?: boolean;
}

export interface SearchResult {
  readonly states: number;
  /** Most events from the beginning to a state that was seen. */
  readonly depth: number;
  /** Every state of the scope was seen. */
  readonly isComplete: boolean;
  /** The broken rule, and the events that lead there. */
  readonly violation: { readonly rule: string; readonly story: readonly string[] } | undefined;
}

interface Outcome {
  readonly after: number;
  readonly sent: readonly number[];
  readonly error: string | undefined;
}

interface KnownNode {
  readonly node: LocalNode;
  readonly facts: NodeFacts;
  readonly logNumber: number;
  readonly outcomes: Map<number, Outcome>;
  /** By the number of what is committed: what is wrong, and which entries the disk holds. */
  readonly judged: Map<number, { readonly violation: string | undefined; readonly bits: number }>;
}

/** A state: three nodes, what is committed, the network, crashes, proposals. */
const FIELDS = 7;
const NAMES = ['n1', 'n2', 'n3'].map(nodeId);

/** Codes of events at one node. Crashes: 8 + 2 x survivors + torn. Deliveries: 64 + the number of the message. */
const SYNC = 0;
const TIMEOUT = 1;
const HEARTBEAT = 2;
const PROPOSE = 3;
const CRASH = 8;
const DELIVER = 64;
/** An event of a search is the node times this, and the code. */
const NODE_SHIFT = 2 ** 28;

export class Search {
  readonly #scope: Scope;
  readonly #nodes = new Interned<KnownNode>();
  readonly #logs = new Interned<readonly string[]>();
  readonly #matching = new Map<number, string | undefined>();
  readonly #committed = new Interned<readonly Committed[]>();
  readonly #networks = new Networks(NAMES);
  readonly #seen = new StateSet();
  /** States in the order in which they were found, FIELDS numbers each; those of a level, then of the next. */
  #level: number[] = [];
  #next: number[] = [];
  /** For each state in that order: the one it came from, and the event. */
  readonly #parents: number[] = [];
  readonly #events: number[] = [];
  #violation: { readonly rule: string; readonly from: number; readonly event: number } | undefined;

  constructor(scope: Scope) {
    this.#scope = scope;
  }

  /** Looks at no more than about `limit` states. */
  run(limit: number): SearchResult {
    this.#add(this.#first(), -1, 0);
    let depth = 0;
    let levelFrom = 0;
    while (this.#next.length > 0) {
      this.#level = this.#next;
      this.#next = [];
      depth++;
      for (let at = 0; at < this.#level.length; at += FIELDS) {
        this.#expand(this.#level.slice(at, at + FIELDS), levelFrom + at / FIELDS);
        if (this.#violation !== undefined || this.#seen.size >= limit) {
          return this.#result(depth, false);
        }
      }
      levelFrom += this.#level.length / FIELDS;
    }
    return this.#result(depth, true);
  }

  /** Follows chance for `steps` events, again and again from the beginning: for what lies deeper than a search gets. */
  wander(walks: number, steps: number, random: () => number): SearchResult {
    for (let walk = 0; walk < walks; walk++) {
      let state: readonly number[] = this.#first();
      const story: string[] = [];
      for (let step = 0; step < steps; step++) {
        const moves = this.#moves(state);
        const move = moves[Math.floor(random() * moves.length)];
        if (move === undefined) break;
        story.push(this.#describe(move.position * NODE_SHIFT + move.code));
        state = this.#follow(state, move.position, move.known, move.code, 0) ?? state;
        this.#next.length = 0;
        if (this.#violation === undefined) continue;
        return { ...this.#result(step, false), violation: { rule: this.#violation.rule, story } };
      }
    }
    return this.#result(steps, false);
  }

  #first(): number[] {
    const { preVote, startsElected } = this.#scope;
    const nodes =
      startsElected === true ? electedNodes() : NAMES.map((n) => openNode(n, preVote === true));
    const numbers = nodes.map((node) => this.#numberOf(node));
    const nothing = this.#committed.idOf('[]', []);
    const committed = numbers.reduce((known, node) => this.#learnedBy(known, node), nothing);
    return [...numbers, committed, 0, 0, 0];
  }

  #expand(state: readonly number[], from: number): void {
    for (const { position, known, code } of this.#moves(state)) {
      this.#follow(state, position, known, code, from);
      if (this.#violation !== undefined) return;
    }
  }

  #moves(state: readonly number[]): { position: number; known: KnownNode; code: number }[] {
    const [, , , , network = 0, crashes = 0, proposals = 0] = state;
    return [0, 1, 2].flatMap((position) => {
      const known = this.#nodes.at(state[position] ?? 0);
      const codes = this.#codes(known, position, network, crashes, proposals);
      return codes.map((code) => ({ position, known, code }));
    });
  }

  /** Everything that may happen to the node now. */
  #codes(
    { node, facts }: KnownNode,
    position: number,
    network: number,
    crashes: number,
    proposals: number,
  ): number[] {
    const scope = this.#scope;
    const codes: number[] = [];
    if (node.writes.length > 0) codes.push(SYNC);
    const isCandidate = scope.candidates[facts.term]?.includes(position) === true;
    if (isCandidate && facts.role !== 'leader') codes.push(TIMEOUT);
    if (facts.role === 'leader') {
      if (scope.heartbeats === true) codes.push(HEARTBEAT);
      if (proposals < scope.proposals) codes.push(PROPOSE + proposals);
    }
    if (crashes < scope.crashes) codes.push(...crashCodes(node));
    for (const message of this.#networks.messagesTo(network, position)) {
      codes.push(DELIVER + message);
    }
    return codes;
  }

  #follow(
    state: readonly number[],
    position: number,
    known: KnownNode,
    code: number,
    from: number,
  ): readonly number[] | undefined {
    const outcome = this.#outcomeOf(known, code);
    const event = position * NODE_SHIFT + code;
    if (outcome.error !== undefined) {
      this.#violation = { rule: outcome.error, from, event };
      return undefined;
    }
    const after = [...state];
    after[position] = outcome.after;
    let network = state[4] ?? 0;
    for (const message of outcome.sent) network = this.#networks.with(network, message);
    after[4] = network;
    const isCrash = code >= CRASH && code < DELIVER;
    after[5] = (state[5] ?? 0) + (isCrash ? 1 : 0);
    after[6] = (state[6] ?? 0) + (code >= PROPOSE && code < CRASH ? 1 : 0);
    after[3] = this.#learnedBy(state[3] ?? 0, outcome.after);
    if (!this.#add(after, from, event)) return after;
    const rule = this.#networks.violationOf(network) ?? this.#violationOf(after, position);
    if (rule !== undefined) this.#violation = { rule, from, event };
    return after;
  }

  #add(state: readonly number[], from: number, event: number): boolean {
    if (!this.#seen.add(state)) return false;
    for (const value of state) this.#next.push(value);
    this.#parents.push(from);
    this.#events.push(event);
    return true;
  }

  #outcomeOf(known: KnownNode, code: number): Outcome {
    let outcome = known.outcomes.get(code);
    if (outcome === undefined) {
      outcome = this.#workOut(known, code);
      known.outcomes.set(code, outcome);
    }
    return outcome;
  }

  #workOut({ node, facts }: KnownNode, code: number): Outcome {
    try {
      const isDiskInstant = this.#scope.isDiskInstant === true;
      const { node: after, sent } = happen(node, this.#eventOf(code), isDiskInstant);
      const number = this.#numberOf(after);
      const now = this.#nodes.at(number).facts;
      const fellBack = now.commitIndex < facts.commitIndex || now.term < facts.term;
      const isCrash = code >= CRASH && code < DELIVER;
      const error = fellBack && !isCrash ? 'a commit index or a term goes back' : undefined;
      return { after: number, sent: sent.map((m) => this.#networks.numberOf(m)), error };
    } catch (error) {
      return { after: 0, sent: [], error: String(error) };
    }
  }

  #eventOf(code: number): LocalEvent {
    if (code >= DELIVER)
      return { type: 'deliver', message: this.#networks.message(code - DELIVER) };
    if (code >= CRASH) {
      return { type: 'crash', survivors: (code - CRASH) >> 1, isTorn: (code & 1) === 1 };
    }
    if (code >= PROPOSE) return { type: 'propose', words: `p${code - PROPOSE + 1}` };
    if (code === HEARTBEAT) return { type: 'heartbeat' };
    return code === TIMEOUT ? { type: 'timeout' } : { type: 'sync' };
  }

  #numberOf(node: LocalNode): number {
    const facts = factsOf(node);
    const logNumber = this.#logs.idOf(facts.log.join(','), facts.log);
    const known = { node, facts, logNumber, outcomes: new Map(), judged: new Map() };
    return this.#nodes.idOf(keyOfNode(node), known);
  }

  #learnedBy(committed: number, node: number): number {
    const before = this.#committed.at(committed);
    const after = learned(before, this.#nodes.at(node).facts);
    return after === before ? committed : this.#committed.idOf(JSON.stringify(after), after);
  }

  #violationOf(state: readonly number[], changed: number): string | undefined {
    const committed = state[3] ?? 0;
    const nodes = [0, 1, 2].map((position) => this.#nodes.at(state[position] ?? 0));
    const bits: number[] = [];
    for (const node of nodes) {
      const { violation, bits: own } = this.#judge(node, committed);
      if (violation !== undefined) return violation;
      bits.push(own);
    }
    const [a = 0, b = 0, c = 0] = bits;
    const all = 2 ** this.#committed.at(committed).length - 1;
    if (((a & b) | (a & c) | (b & c)) !== all) return 'durability: committed, and not on two disks';
    for (const [position, node] of nodes.entries()) {
      const unlike = position === changed ? undefined : this.#match(node, nodes[changed]);
      if (unlike !== undefined) return unlike;
    }
    return undefined;
  }

  #judge(node: KnownNode, committed: number): { violation: string | undefined; bits: number } {
    let judged = node.judged.get(committed);
    if (judged === undefined) {
      const entries = this.#committed.at(committed);
      const violation = violationOfNode(node.facts, entries);
      judged = { violation, bits: durableBits(node.facts, entries) };
      node.judged.set(committed, judged);
    }
    return judged;
  }

  #match(one: KnownNode, other: KnownNode | undefined): string | undefined {
    if (other === undefined || one.logNumber === other.logNumber) return undefined;
    const key = one.logNumber * 2 ** 24 + other.logNumber;
    if (!this.#matching.has(key))
      this.#matching.set(key, logMatching(one.facts.log, other.facts.log));
    return this.#matching.get(key);
  }

  #result(depth: number, isComplete: boolean): SearchResult {
    const found = this.#violation;
    const violation = found && { rule: found.rule, story: this.#storyOf(found.from, found.event) };
    return { states: this.#seen.size, depth, isComplete, violation };
  }

  #storyOf(from: number, last: number): string[] {
    const story = [this.#describe(last)];
    for (let at = from; at > 0; at = this.#parents[at] ?? 0) {
      story.unshift(this.#describe(this.#events[at] ?? 0));
    }
    return story;
  }

  #describe(event: number): string {
    const code = event % NODE_SHIFT;
    return `${NAMES[(event - code) / NODE_SHIFT]}: ${JSON.stringify(this.#eventOf(code))}`;
  }
}

function crashCodes({ writes }: LocalNode): number[] {
  const codes: number[] = [];
  for (let survivors = 0; survivors <= writes.length; survivors++) {
    codes.push(CRASH + survivors * 2);
    const next = writes[survivors];
    if (next?.hardState !== undefined && next.entries.length > 0)
      codes.push(CRASH + survivors * 2 + 1);
  }
  return codes;
}
