/**
 * Drives one node's Raft: what comes in (messages, ticks, acknowledgements of the disk, transactions, reads) is gathered
 * for a turn, then everything that there is to do is taken out at once and done. Source: ADR 0017, README of raft.
 *
 * Invariant: messages leave before the disk is asked, so that a leader's disk works beside its followers'; what promises
 * something leaves when the write that it waits for is durable; entries are applied when they are committed and durable
 * here; a transaction is answered, and a read served, when this node has applied it.
 */
import { invariant, type LogIndex, logIndex, MalformedBytesError } from '@holdfast/bytes';
import type { Address, Clock, Connection, Lane, Random, Timer } from '@holdfast/env';
import type {
  Committer,
  CommitterContext,
  StoreImages,
  Transaction,
  TransactResult,
  ValueName,
} from '@holdfast/kv';
import { KvError } from '@holdfast/kv';
import type { Message, NodeId, PersistRequest, Raft, RaftStatus, Ready } from '@holdfast/raft';
import { membersOf, nodeId, StateDivergedError } from '@holdfast/raft';
import { Applier } from './applier.ts';
import { followAddress, readClusterNotes } from './cluster-notes.ts';
import { ReplicaError } from './errors.ts';
import { KEEPING, KeptBodies } from './kept-bodies.ts';
import { LogRetention } from './log-retention.ts';
import type { MemberGuard } from './member-guard.ts';
import { ENVELOPE_BYTES } from './member-guard.ts';
import { decodeMessage } from './message-codec.ts';
import { MessageSender } from './message-sender.ts';
import type { PeerLinks } from './peer-links.ts';
import { PersistQueue } from './persist-queue.ts';
import { Proposals } from './proposals.ts';
import { ReadRounds } from './read-rounds.ts';
import { SessionSlots } from './session-slots.ts';
import type { ResolvedReplicaSettings } from './settings.ts';
import type { TransferHooks, TransferHub } from './transfer/transfer-hub.ts';

/** Transactions of this node under way at once. Three nodes' fit well into the sessions that the store remembers. */
const SLOT_LIMIT = 2048;

export interface DriverOptions {
  readonly raft: Raft;
  readonly guard: MemberGuard;
  readonly links: PeerLinks;
  readonly clock: Clock;
  readonly random: Random;
  readonly settings: ResolvedReplicaSettings;
  /** Runs its argument soon, after the inputs of this turn. */
  readonly afterTurn: (run: () => void) => void;
  /** Where members are; changed as entries are applied. */
  readonly addresses: Map<string, Address>;
  readonly openTransfers: (images: StoreImages, hooks: TransferHooks) => TransferHub;
  readonly onLeadership: (isLeader: boolean) => void;
  /** This node's state is not its leader's: it must not serve again, not after a restart either. */
  readonly onDiverged: (error: StateDivergedError) => void;
  readonly onPeerFault: (peerId: string, error: unknown) => void;
}

/** Waits until an entry of the configuration is applied, or the like. */
interface Watcher {
  readonly isDone: (status: RaftStatus) => boolean;
  readonly settled: PromiseWithResolvers<void>;
  readonly untilMs: number;
  readonly what: string;
}

export class ReplicaDriver implements Committer {
  readonly #options: DriverOptions;
  readonly #context: CommitterContext;
  readonly #raft: Raft;
  readonly #persist: PersistQueue;
  readonly #applier: Applier;
  readonly #proposals: Proposals;
  readonly #reads: ReadRounds;
  readonly #transfers: TransferHub;
  readonly #sender: MessageSender;
  readonly #retention: LogRetention;
  readonly #kept = new KeptBodies();
  #watchers: Watcher[] = [];
  #status: RaftStatus;
  #appliedIndex: number;
  #progressMs: number;
  #isPlanned = false;
  #timer: Timer | undefined;
  #failure: KvError | undefined;
  #closing: Promise<void> | undefined;
  #isClosed = false;

  constructor(options: DriverOptions, context: CommitterContext) {
    const { raft, clock, random, settings } = options;
    this.#options = options;
    this.#context = context;
    this.#raft = raft;
    this.#status = raft.status();
    this.#appliedIndex = this.#status.appliedIndex;
    this.#progressMs = clock.monotonicMs();
    const limits = { waitLimitMs: settings.waitLimitMs, waitTotalMs: settings.waitTotalMs };
    const onWaiting = (): void => this.#plan();
    this.#proposals = new Proposals({
      ...limits,
      clock,
      bodyChecksum: context.bodyChecksum,
      slots: new SessionSlots(random, SLOT_LIMIT),
      sizeLimitBytes: context.waitingSizeLimitBytes,
      onWaiting,
    });
    this.#reads = new ReadRounds({
      ...limits,
      clock,
      appliedIndex: () => this.#appliedIndex,
      onWaiting,
    });
    const onFailure = (cause: unknown): void => this.fail(cause);
    this.#applier = new Applier({
      context,
      onOutcome: (head, outcome) => this.#proposals.answer(head, outcome),
      onTerm: (term) => this.#proposals.noteTerm(term),
      checkpointEntries: settings.checkpointEntries,
      onMilestone: (index) => this.#compareStates(index),
      onCheckpoint: (checkpoint) => this.#raft.verifyCheckpoint(checkpoint),
      onApplied: (index) => this.#noteApplied(index),
      onFailure,
    });
    this.#persist = new PersistQueue({
      wal: context.wal,
      clock,
      bodyChecksum: context.bodyChecksum,
      onAppended: (entry, body) => this.#applier.noteBody(entry, body),
      onDurable: (request, isVoid) => this.#noteDurable(request, isVoid),
      install: (request) => this.#install(request),
      onNoSpace: context.onNoSpace,
      onFailure,
    });
    this.#retention = new LogRetention(raft, context.wal, settings.retainedLogBytes);
    this.#sender = new MessageSender({
      wal: context.wal,
      links: options.links,
      checksums: context,
      kept: this.#kept,
      envelopeFor: (peer) => options.guard.envelopeFor(peer),
      onLost: (peer) => this.#noteLost(peer),
      onFault: options.onPeerFault,
      onDamaged: (first, last, error) => this.#noteDamaged(first, last, error),
    });
    this.#transfers = options.openTransfers(context.images, {
      restore: (snapshot) => this.act((current) => current.restoreSnapshot(snapshot)),
    });
    this.followMembers();
    this.#tickLater();
  }

  /** A peer asks for this node's state, or for values. */
  serve(connection: Connection): void {
    this.#transfers.serve(connection);
  }

  get failure(): KvError | undefined {
    return this.#failure;
  }

  get waitingBytes(): number {
    return this.#proposals.waitingBytes;
  }

  /** As of the last turn. */
  get status(): RaftStatus {
    return this.#status;
  }

  submit(transaction: Transaction): Promise<TransactResult> {
    const refusal = this.#refusal();
    return refusal === undefined ? this.#proposals.submit(transaction) : Promise.reject(refusal);
  }

  whenCurrent(): Promise<void> {
    const refusal = this.#refusal();
    return refusal === undefined ? this.#reads.join() : Promise.reject(refusal);
  }

  releasable(flushedIndex: LogIndex): LogIndex {
    const released = this.#retention.releasable(flushedIndex);
    this.#followStatus();
    return released;
  }

  async findElsewhere(name: ValueName): Promise<Uint8Array | undefined> {
    return this.#refusal() === undefined ? this.#transfers.find(name) : undefined;
  }

  /** Stops this node: the log, the state machine or consensus has failed. */
  fail(cause: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = failureOf(cause);
    if (cause instanceof StateDivergedError) this.#options.onDiverged(cause);
    this.#timer?.cancel();
    this.#raft.stop(cause);
    this.#sayLast();
    void this.#persist.stop();
    this.#proposals.failAll(this.#failure);
    this.#reads.failAll(this.#failure);
    for (const { settled } of this.#watchers.splice(0)) settled.reject(this.#failure);
    this.#context.onFailure?.(this.#failure);
  }

  async drain(): Promise<void> {
    await this.#proposals.drain();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    // Bounded: what cannot be agreed on is given up after its limit.
    await this.#proposals.drain();
    this.#isClosed = true;
    const closed = new KvError('KV_CLOSED', 'the store is closed');
    this.#reads.failAll(closed);
    for (const { settled } of this.#watchers.splice(0)) settled.reject(closed);
    if (this.#failure === undefined) await this.#leave();
    this.#timer?.cancel();
    await this.#persist.stop();
    await this.#transfers.close();
    await this.#applier.stop();
    await this.#sender.stop();
    await this.#options.links.close();
  }

  /** Hands over what this node leads, and keeps what it knows to be committed: then the next start need not wait. */
  async #leave(): Promise<void> {
    const { wal } = this.#context;
    this.#raft.stop('the store is being closed');
    this.#sayLast();
    const { commitIndex: committed, persistedIndex } = this.#status;
    // Safety: what the log is yet to be cut of, or has not been given, may be another entry on disk.
    const commitIndex = logIndex(Math.min(committed, persistedIndex));
    if (commitIndex > wal.hardState.commitIndex) {
      await wal.saveHardState({ ...wal.hardState, commitIndex }).catch(() => undefined);
    }
  }

  /** The leader's last word is that another one may take over at once. */
  #sayLast(): void {
    for (const message of this.#raft.ready()?.messages ?? []) this.#sender.send(message);
    this.#noteStatus();
  }

  /** Frames of a proven peer. Throws a ReplicaError where one is no message. */
  receive(peerId: string, frames: readonly Uint8Array[]): void {
    if (this.#refusal() !== undefined) return;
    const from = nodeId(peerId);
    for (const frame of frames) this.#step(frame, this.#decode(from, frame));
    this.#plan();
  }

  /** What was sent to the peer lately is probably lost. */
  noteBroken(peerId: string, lane: Lane): void {
    if (lane !== 'log' || this.#refusal() !== undefined) return;
    this.#raft.unreachable(nodeId(peerId));
    this.#plan();
  }

  /** No process listens where the peer is. */
  noteGone(peerId: string): void {
    if (this.#refusal() !== undefined) return;
    this.#raft.processGone(nodeId(peerId));
    this.#plan();
  }

  /** Entries that Raft had sent did not leave. */
  #noteLost(peer: NodeId): void {
    if (this.#refusal() === undefined) this.#guarded(() => this.#raft.unreachable(peer));
  }

  /** Safety: what is not committed and cannot be read here can be had by nobody from here, nor be applied: others lead. */
  #noteDamaged(first: LogIndex, last: LogIndex, cause: unknown): void {
    if (this.#refusal() !== undefined) return;
    this.#guarded(() => {
      if (!this.#retention.giveUp(first, last)) this.fail(cause);
    });
  }

  /** Runs an input of Raft, and what follows from it. */
  act<Result>(action: (raft: Raft) => Result): Result {
    const refusal = this.#refusal();
    if (refusal !== undefined) throw refusal;
    const result = action(this.#raft);
    // Why at once: who acted looks at the status next.
    this.#followStatus();
    this.#plan();
    return result;
  }

  /** Resolves when the status is so; KV_UNAVAILABLE after `limitMs`. */
  watch(what: string, limitMs: number, isDone: (status: RaftStatus) => boolean): Promise<void> {
    if (isDone(this.#status)) return Promise.resolve();
    const settled = Promise.withResolvers<void>();
    const untilMs = this.#options.clock.monotonicMs() + limitMs;
    this.#watchers.push({ isDone, settled, untilMs, what });
    return settled.promise;
  }

  #refusal(): KvError | undefined {
    if (this.#failure !== undefined) return this.#failure;
    if (!this.#isClosed) return undefined;
    return new KvError('KV_CLOSED', 'the store is being closed');
  }

  #decode(from: NodeId, frame: Uint8Array): Message {
    try {
      const kept = (requestId: number) => this.#proposals.kept(requestId - KEEPING);
      const { nodeId: to } = this.#status;
      return decodeMessage(frame.subarray(ENVELOPE_BYTES), from, to, this.#context, kept);
    } catch (cause) {
      if (!(cause instanceof MalformedBytesError)) throw cause;
      throw new ReplicaError(
        'REPLICA_MALFORMED_MESSAGE',
        `${from} sent bytes that are no message: ${cause.message}`,
        { cause },
      );
    }
  }

  #step(envelope: Uint8Array, message: Message): void {
    this.#guarded(() => {
      const admitted = this.#options.guard.admit(envelope, message, this.#status);
      if (admitted !== undefined) this.#raft.step(this.#kept.noted(admitted));
    });
  }

  /** Safety: what Raft throws says that going on would be unsafe. */
  #guarded(action: () => void): void {
    try {
      action();
    } catch (cause) {
      this.fail(cause);
    }
  }

  #tickLater(): void {
    this.#timer = this.#options.clock.setTimer(this.#options.settings.tickMs, () => {
      this.#tickLater();
      this.#guarded(() => this.#tick());
    });
  }

  #tick(): void {
    this.#options.links.renewSilent();
    this.#raft.tick();
    this.#proposals.expire(this.#progressMs);
    this.#reads.expire(this.#progressMs);
    this.#stepDownWhenSlow();
    const nowMs = this.#options.clock.monotonicMs();
    this.#watchers = this.#watchers.filter(({ untilMs, settled, what }) => {
      if (nowMs < untilMs) return true;
      settled.reject(new KvError('KV_UNAVAILABLE', `${what}: not done in time`));
      return false;
    });
    this.#plan();
  }

  /** Why: a leader that cannot write takes proposals that it never answers, while its heartbeats keep others from leading. */
  #stepDownWhenSlow(): void {
    const { role, transferringTo, progress, configuration } = this.#status;
    if (role !== 'leader' || transferringTo !== undefined) return;
    if (this.#persist.oldestAgeMs < this.#options.settings.slowDiskMs) return;
    let best: NodeId | undefined;
    for (const voter of configuration.voters) {
      const matched = progress.get(voter)?.matchIndex ?? 0;
      if (voter === this.#status.nodeId) continue;
      if (best === undefined || matched > (progress.get(best)?.matchIndex ?? 0)) best = voter;
    }
    if (best !== undefined) this.#raft.transferLeadership(best);
  }

  #plan(): void {
    if (this.#isPlanned) return;
    this.#isPlanned = true;
    this.#options.afterTurn(() => {
      this.#isPlanned = false;
      if (this.#failure === undefined) this.#guarded(() => this.#turn());
    });
  }

  #turn(): void {
    // Why before all others: what an acknowledgement counts for comes behind it in the log.
    for (const command of this.#options.guard.unrecorded(this.#status)) this.#raft.propose(command);
    this.#proposals.propose(this.#raft);
    this.#reads.ask(this.#raft);
    const ready = this.#raft.ready();
    if (ready !== undefined) this.#carryOut(ready);
    this.#followStatus();
  }

  #carryOut(ready: Ready): void {
    for (const message of ready.messages) this.#sender.send(message);
    if (ready.persist !== undefined) this.#options.guard.follow(ready.persist);
    if (ready.persist !== undefined) this.#followAddresses(ready.persist);
    if (ready.persist !== undefined) this.#persist.submit(ready.persist);
    this.#applier.push(ready.committed);
    for (const outcome of ready.readResults) this.#reads.note(outcome);
    for (const outcome of ready.forwardResults) this.#proposals.noteForward(outcome);
    if (ready.snapshotOffer !== undefined) this.#transfers.take(ready.snapshotOffer);
  }

  #followStatus(): void {
    const before = this.#noteStatus();
    const { role, configuration } = this.#status;
    if (configuration !== before.configuration) this.followMembers();
    const hasLeader = this.#status.leaderId !== undefined;
    // What waited for a leader goes on.
    if (hasLeader && (this.#status.leaderId !== before.leaderId || role !== before.role)) {
      this.#plan();
    }
    this.#watchers = this.#watchers.filter(({ isDone, settled }) => {
      if (!isDone(this.#status)) return true;
      settled.resolve();
      return false;
    });
  }

  /** Returns the status before. */
  #noteStatus(): RaftStatus {
    const before = this.#status;
    this.#status = this.#raft.status();
    const isLeader = this.#status.role === 'leader';
    if (isLeader !== (before.role === 'leader')) this.#options.onLeadership(isLeader);
    return before;
  }

  /** Makes ways to all members, and to those whose address only is known: a node that joins learns from them that it belongs. */
  followMembers(): void {
    const { configuration, nodeId: self } = this.#status;
    const known = [...membersOf(configuration), ...this.#options.addresses.keys()];
    this.#options.links.setPeers([...new Set(known)].filter((peer) => peer !== self));
  }

  #noteDurable(request: PersistRequest, isVoid: boolean): void {
    if (this.#failure !== undefined) return;
    // A void one is acknowledged with the one after it, whose cut it was.
    if (isVoid) return;
    for (const message of request.messages) this.#sender.send(message);
    this.#guarded(() => this.#raft.persisted(request.ack));
    this.#plan();
  }

  #noteApplied(index: LogIndex): void {
    if (this.#failure !== undefined) return;
    this.#appliedIndex = index;
    this.#progressMs = this.#options.clock.monotonicMs();
    this.#guarded(() => this.#raft.applied(index));
    this.#reads.applied();
    this.#plan();
  }

  /** Every node notes the hash of its state at the same place; the leader's goes into the log, and each compares. */
  #compareStates(index: LogIndex): void {
    const { stateHash } = this.#context.engine;
    if (stateHash === undefined) return;
    this.#raft.reportStateHash(index, stateHash);
    if (this.#status.role === 'leader') this.#raft.proposeCheckpoint();
    this.#plan();
  }

  /** Switches to a state that has come from another node; the log goes on behind it. */
  async #install({ snapshot }: PersistRequest): Promise<void> {
    if (snapshot === undefined) return;
    const { engine } = this.#context;
    await this.#applier.whenIdle();
    await this.#transfers.install();
    invariant(engine.appliedIndex >= snapshot.index, 'a state that is installed is there');
    const { addresses, incarnations } = await readClusterNotes(engine);
    this.#options.guard.restart(incarnations, snapshot.index);
    for (const [member, address] of addresses) this.#options.addresses.set(member, address);
    this.#applier.goOnBehind(snapshot.term);
    this.followMembers();
    this.#noteApplied(snapshot.index);
  }

  #followAddresses({ entries }: PersistRequest): void {
    let isChanged = false;
    for (const { content } of entries) {
      if (content?.type !== 'command') continue;
      if (followAddress(this.#options.addresses, content.command)) isChanged = true;
    }
    if (isChanged) this.followMembers();
  }
}

function failureOf(cause: unknown): KvError {
  if (cause instanceof KvError) return cause;
  if (cause instanceof StateDivergedError) {
    return new KvError('KV_CORRUPTION', cause.message, { cause });
  }
  const message = cause instanceof Error ? cause.message : String(cause);
  return new KvError('KV_UNAVAILABLE', `this node has stopped; restart it: ${message}`, { cause });
}
