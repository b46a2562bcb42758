/**
 * Transactions of this node on their way to being agreed on: proposed here where this node leads, handed to the leader
 * where it does not, and proposed again where that may have come to nothing. They are answered when this node has applied
 * them, so that its own reads see them.
 *
 * Safety: every transaction has a session, so whichever copy is applied first decides, and every other one gets its answer.
 */
import { type BodyChecksum, copyOfBytes, type Term } from '@holdfast/bytes';
import type { Clock } from '@holdfast/env';
import type { ApplyOutcome, Transaction, TransactResult } from '@holdfast/kv';
import { encodeEntry, KV_ENTRY_KIND, KvError, Slab } from '@holdfast/kv';
import type { Command, ForwardOutcome, ProposalRefusal, Raft } from '@holdfast/raft';
import type { StoredCommand } from './entry-format.ts';
import { type Session, type SessionSlots, type SlotSession, sessionOf } from './session-slots.ts';

/** What a waiting transaction costs beside its bytes. */
const OVERHEAD_BYTES = 512;
/** Bytes handed to the leader and not yet accepted by it, beyond which the rest waits here. */
const FORWARD_WINDOW_BYTES = 16 * 1024 * 1024;
const SHARED_HEADS_BYTES: number = 64 * 1024;
/** Bodies up to this share buffers, which hold a few of them: none is kept for long by its neighbours. */
const SHARED_BODY_BYTES: number = 16 * 1024;
const SHARED_BODIES_BYTES: number = 64 * 1024;

/** Answers to a request after which it may be in a log all the same. */
const MAY_COMMIT: ReadonlySet<string> = new Set(['LEADER_CHANGED', 'TIMED_OUT']);

export interface ProposalsOptions {
  readonly clock: Clock;
  readonly bodyChecksum: BodyChecksum;
  readonly slots: SessionSlots;
  /** Bytes that may wait in all; beyond it KV_BUSY. */
  readonly sizeLimitBytes: number;
  readonly waitLimitMs: number;
  readonly waitTotalMs: number;
  /** There is something to propose. */
  readonly onWaiting: () => void;
}

interface Proposal {
  /** Place in the order of calls. */
  readonly order: number;
  readonly session: Session;
  /** The session, where it is one of this node's slots. */
  readonly slot: SlotSession | undefined;
  readonly command: StoredCommand;
  readonly sizeBytes: number;
  readonly startedMs: number;
  readonly resolve: (result: TransactResult) => void;
  readonly reject: (error: unknown) => void;
  /** The request to the leader that has not answered. */
  forward: number | undefined;
  /** All requests to leaders, by which one of them may speak of it. */
  readonly requests: number[];
  /** Term of the log that it was last accepted into; undefined where it is in none, as far as is known. */
  term: Term | undefined;
  isAnswered: boolean;
}

export class Proposals {
  readonly #options: ProposalsOptions;
  /** To be proposed, in order. */
  #queue: Proposal[] = [];
  /** All that are not answered, in the order of calls. */
  readonly #all = new Set<Proposal>();
  /** Of those, by slot: those that a slot named. */
  readonly #bySlot: (Proposal | undefined)[] = [];
  /** The others, by session. */
  readonly #bySession = new Map<string, Proposal[]>();
  /** Memory of small heads, as in a lone node's `CommitPipeline`. */
  readonly #heads = new Slab(SHARED_HEADS_BYTES);
  /** Memory of small bodies: making and freeing one for each takes as long as encoding the transaction. */
  readonly #bodies = new Slab(SHARED_BODIES_BYTES);
  readonly #forwarded = new Map<number, Proposal>();
  /** What was handed to a leader and is not answered: its body is kept. */
  readonly #kept = new Map<number, StoredCommand>();
  #forwardedBytes = 0;
  /** The leader takes nothing now; it is asked again when something was answered, another one leads, or a tick is over. */
  #isRefused = false;
  #waitingBytes = 0;
  #nextOrder = 0;
  /** Of the last entry that this node applied. */
  #term = 0;
  #drainWaiters: (() => void)[] = [];

  constructor(options: ProposalsOptions) {
    this.#options = options;
  }

  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  get count(): number {
    return this.#all.size;
  }

  /** Takes a checked transaction; its bytes are copied. KV_BUSY. */
  submit(transaction: Transaction): Promise<TransactResult> {
    const { slots, bodyChecksum, clock, sizeLimitBytes } = this.#options;
    return new Promise((resolve, reject) => {
      if (this.#waitingBytes >= sizeLimitBytes) throw busy(`${this.#waitingBytes} bytes`);
      const slot = transaction.session === undefined ? slots.take() : undefined;
      const session = transaction.session ?? slot;
      if (session === undefined) throw busy(`${this.#all.size} transactions`);
      const { conditions = [], operations } = transaction;
      const { head, body, bodySizeBytes, bodyCrc } = encodeEntry(
        { conditions, operations, session },
        bodyChecksum,
        this.#heads,
      );
      const command: StoredCommand = {
        kind: KV_ENTRY_KIND,
        head,
        bodyCrc,
        // Why a copy: it is sent and written after the caller has its bytes back.
        ...(body.length === 0 ? {} : { body: body.map((part) => this.#copied(part)) }),
      };
      const proposal: Proposal = {
        order: this.#nextOrder++,
        session,
        slot,
        command,
        sizeBytes: OVERHEAD_BYTES + head.length + bodySizeBytes,
        startedMs: clock.monotonicMs(),
        resolve,
        reject,
        forward: undefined,
        requests: [],
        term: undefined,
        isAnswered: false,
      };
      this.#waitingBytes += proposal.sizeBytes;
      this.#all.add(proposal);
      if (slot !== undefined) this.#bySlot[slot.slot] = proposal;
      else this.#noteNamed(proposal);
      this.#queue.push(proposal);
      this.#options.onWaiting();
    });
  }

  #copied(part: Uint8Array): Uint8Array {
    if (part.length > SHARED_BODY_BYTES) return copyOfBytes(part);
    const copy = this.#bodies.take(part.length);
    copy.set(part);
    return copy;
  }

  /** Proposes what waits, as far as the leader takes it; called once a turn. */
  propose(raft: Raft): void {
    let count = 0;
    for (const proposal of this.#queue) {
      if (!proposal.isAnswered) {
        const refusal = proposeHere(raft, proposal);
        // Why Raft is asked who leads: a status of the turn before sent the proposals of a new leader to itself.
        const isTaken = refusal === 'NOT_LEADER' ? this.#forward(raft, proposal) : !refusal;
        if (!isTaken) break;
      }
      count++;
    }
    if (count > 0) this.#queue = this.#queue.slice(count);
  }

  /** What was handed to a leader by this request; undefined where it was answered or given up. */
  kept(requestId: number): StoredCommand | undefined {
    return this.#kept.get(requestId);
  }

  /** The leader has answered, or will not any more. */
  noteForward(outcome: ForwardOutcome): void {
    const proposal = this.#forwarded.get(outcome.requestId);
    if (proposal === undefined) return;
    this.#forwarded.delete(outcome.requestId);
    this.#forwardedBytes -= proposal.sizeBytes;
    proposal.forward = undefined;
    this.#isRefused = !outcome.accepted && !MAY_COMMIT.has(outcome.code);
    // What was refused is in no log, so nobody speaks of the request again.
    if (this.#isRefused) this.#kept.delete(outcome.requestId);
    if (outcome.accepted && outcome.term >= this.#term) proposal.term = outcome.term;
    else this.#requeue([proposal]);
  }

  /**
   * An entry of this term is committed: what an earlier leader took and is not in the log before it never will be
   * there.
   */
  noteTerm(term: Term): void {
    this.#term = term;
    this.#isRefused = false;
    const lost = [...this.#all].filter((proposal) => (proposal.term ?? term) < term);
    for (const proposal of lost) proposal.term = undefined;
    this.#requeue(lost);
  }

  /** A transaction was applied. */
  answer(head: Uint8Array, outcome: ApplyOutcome): void {
    const own = this.#options.slots.ownOf(head);
    if (own !== undefined) {
      const proposal = this.#bySlot[own.slot];
      if (proposal?.session.sequence === own.sequence) this.#settle(proposal, outcome);
      return;
    }
    const session = this.#bySession.size === 0 ? undefined : sessionOf(head);
    if (session === undefined) return;
    for (const proposal of this.#bySession.get(nameOf(session)) ?? []) {
      this.#settle(proposal, outcome);
    }
  }

  #settle(proposal: Proposal, outcome: ApplyOutcome): void {
    this.#isRefused = false;
    this.#end(proposal);
    if ('stale' in outcome) proposal.reject(stale(outcome.lastSequence));
    else proposal.resolve(outcome);
  }

  /** Gives up what has waited too long; called each tick. `quietSinceMs`: when this node last applied something. */
  expire(quietSinceMs: number): void {
    this.#isRefused = false;
    const { clock, waitLimitMs, waitTotalMs } = this.#options;
    const nowMs = clock.monotonicMs();
    for (const proposal of this.#all) {
      const { startedMs } = proposal;
      const isQuiet = nowMs - Math.max(startedMs, quietSinceMs) >= waitLimitMs;
      if (!isQuiet && nowMs - startedMs < waitTotalMs) break;
      this.#end(proposal);
      proposal.reject(unknownOutcome(nowMs - startedMs));
    }
  }

  failAll(error: unknown): void {
    for (const proposal of this.#all) {
      this.#end(proposal);
      proposal.reject(error);
    }
  }

  /** Resolves when everything is answered. */
  async drain(): Promise<void> {
    while (this.#all.size > 0) {
      await new Promise<void>((resolve) => {
        this.#drainWaiters.push(resolve);
      });
    }
  }

  #forward(raft: Raft, proposal: Proposal): boolean {
    // Why: all of it would be sent and refused as often as a message goes there and back.
    if (this.#isRefused) return false;
    const { sizeBytes, command } = proposal;
    const isOver = this.#forwardedBytes + sizeBytes > FORWARD_WINDOW_BYTES;
    if (isOver && this.#forwardedBytes > 0) return false;
    const result = raft.forward(command);
    if (!result.accepted) return false;
    proposal.forward = result.requestId;
    proposal.requests.push(result.requestId);
    this.#kept.set(result.requestId, command);
    this.#forwarded.set(result.requestId, proposal);
    this.#forwardedBytes += sizeBytes;
    return true;
  }

  /** Puts them where they were in the order of calls. */
  #requeue(proposals: readonly Proposal[]): void {
    if (proposals.length === 0) return;
    this.#queue = [...proposals, ...this.#queue].sort((left, right) => left.order - right.order);
    this.#options.onWaiting();
  }

  #end(proposal: Proposal): void {
    proposal.isAnswered = true;
    for (const requestId of proposal.requests) this.#kept.delete(requestId);
    this.#all.delete(proposal);
    this.#waitingBytes -= proposal.sizeBytes;
    if (proposal.forward !== undefined) {
      this.#forwarded.delete(proposal.forward);
      this.#forwardedBytes -= proposal.sizeBytes;
    }
    const { slot } = proposal;
    if (slot === undefined) this.#forgetNamed(proposal);
    else {
      this.#bySlot[slot.slot] = undefined;
      this.#options.slots.giveBack(slot);
    }
    if (this.#all.size === 0) for (const wake of this.#drainWaiters.splice(0)) wake();
  }

  #noteNamed(proposal: Proposal): void {
    const name = nameOf(proposal.session);
    const same = this.#bySession.get(name);
    if (same === undefined) this.#bySession.set(name, [proposal]);
    else same.push(proposal);
  }

  #forgetNamed(proposal: Proposal): void {
    const name = nameOf(proposal.session);
    const rest = (this.#bySession.get(name) ?? []).filter((other) => other !== proposal);
    if (rest.length === 0) this.#bySession.delete(name);
    else this.#bySession.set(name, rest);
  }
}

/** Why it was not taken. */
function proposeHere(raft: Raft, proposal: Proposal): ProposalRefusal | undefined {
  const result = raft.propose(proposal.command satisfies Command);
  if (result.accepted) proposal.term = result.term;
  return result.accepted ? undefined : result.code;
}

function nameOf({ clientId, sequence }: Session): string {
  return `${sequence} ${clientId}`;
}

function busy(what: string): KvError {
  return new KvError('KV_BUSY', `${what} wait to be agreed on; try again later`);
}

function stale(lastSequence: number): KvError {
  return new KvError(
    'KV_SESSION_STALE',
    `the session was answered up to sequence ${lastSequence} already`,
  );
}

function unknownOutcome(waitedMs: number): KvError {
  return new KvError(
    'KV_UNAVAILABLE',
    `no majority agreed for ${Math.round(waitedMs)} ms: the outcome is unknown; try again`,
  );
}
