import { invariant, type LogIndex, type Term } from '@holdfast/bytes';
import { divergence, noteStateHash } from './checkpoints.ts';
import { noteGone, tick } from './clock.ts';
import type { Configuration, MembershipChange } from './configuration.ts';
import { noteApplied, notePersisted } from './disk.ts';
import { startElection } from './election.ts';
import type { Checkpoint, Command } from './entry.ts';
import { restoreSnapshot } from './follower.ts';
import { forwardProposal } from './forwards.ts';
import type { Message, SnapshotMetadata } from './message.ts';
import type { NodeId } from './node-id.ts';
import { openState, snapshotAt } from './open-state.ts';
import type { Progress } from './progress.ts';
import { propose, proposeCheckpoint, proposeMembership } from './proposals.ts';
import { firstIndex, type LogPosition, lastIndex, lastTerm, releaseLog } from './raft-log.ts';
import { currentConfiguration, type RaftState, type Role } from './raft-state.ts';
import { requestRead } from './reads.ts';
import type { PersistAck, Ready } from './ready.ts';
import type {
  ForwardResult,
  MembershipResult,
  ProposeResult,
  ReadResult,
  TransferResult,
} from './refusals.ts';
import { noteSnapshotFailed, noteUnreachable } from './replication.ts';
import { becomeFollower } from './roles.ts';
import { type RaftOptions, type StoredState, settingsOf } from './settings.ts';
import { noteStanding, type Standing, standingOf } from './standing.ts';
import { step } from './step.ts';
import { takeReady } from './take-ready.ts';
import { handOverNow, transferLeadership } from './transfer.ts';

/** What can be seen of a node from outside. A copy: it does not change. */
export interface RaftStatus {
  readonly nodeId: NodeId;
  readonly role: Role;
  readonly term: Term;
  readonly votedFor: NodeId | undefined;
  readonly leaderId: NodeId | undefined;
  readonly firstIndex: LogIndex;
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
  readonly commitIndex: LogIndex;
  readonly appliedIndex: LogIndex;
  /** Durable on this node's own disk. */
  readonly persistedIndex: LogIndex;
  readonly configuration: Configuration;
  /** See `noteStanding`. */
  readonly toldStanding: Standing | undefined;
  readonly uncommittedBytes: number;
  readonly transferringTo: NodeId | undefined;
  /** Leader only: one for each member. */
  readonly progress: ReadonlyMap<NodeId, MemberStatus>;
  /** Why this node is stopped; undefined where it is not. */
  readonly fault: unknown;
}

export type MemberStatus = Readonly<
  Pick<Progress, 'state' | 'matchIndex' | 'nextIndex' | 'inFlightBytes' | 'isRecentlyActive'>
>;

/**
 * One node's consensus. Every method is synchronous and changes only this object; what is to be done in the world
 * comes out of `ready`, which the driver calls after each turn of inputs. A node that is stopped (`stop`, or a state
 * that differs from its leader's) takes no input and gives no output any more.
 *
 * Throws InvariantError where going on would be unsafe: the driver must end the process.
 */
export class Raft {
  readonly #state: RaftState;

  constructor(options: RaftOptions, stored: StoredState) {
    this.#state = openState(settingsOf(options), stored);
  }

  /** One unit of time has passed. */
  tick(): void {
    if (this.#isRunning()) tick(this.#state);
  }

  /** A message for this node has arrived. Messages may be lost, late, repeated and out of order. */
  step(message: Message): void {
    if (this.#isRunning()) step(this.#state, message);
  }

  /** Starts an election now, as if the timeout had passed. */
  campaign(): void {
    if (this.#isRunning()) startElection(this.#state);
  }

  /** Appends to the log, on the leader only. */
  propose(command: Command): ProposeResult {
    return propose(this.#state, command);
  }

  /** Hands a proposal to the leader, on any other node. */
  forward(command: Command): ForwardResult {
    return forwardProposal(this.#state, command);
  }

  /** Changes the members, on the leader only. All changes of a call take effect together. */
  proposeMembership(changes: readonly MembershipChange[]): MembershipResult {
    return proposeMembership(this.#state, changes);
  }

  /** Asks for an index at which a read is linearizable, on any node. */
  requestRead(): ReadResult {
    return requestRead(this.#state);
  }

  transferLeadership(to: NodeId): TransferResult {
    return transferLeadership(this.#state, to);
  }

  /** Takes everything there is to do; undefined where there is nothing. */
  ready(): Ready | undefined {
    return takeReady(this.#state);
  }

  /** The persist request with this acknowledgement, and every earlier one, is durable. */
  persisted(ack: PersistAck): void {
    if (this.#isRunning()) notePersisted(this.#state, ack);
  }

  /** The state machine holds the effect of every entry up to `index`. */
  applied(index: LogIndex): void {
    if (this.#isRunning()) noteApplied(this.#state, index);
  }

  /** The hash of this node's state after exactly the entries up to `index`, chosen alike on every node. */
  reportStateHash(index: LogIndex, stateHash: string): void {
    noteStateHash(this.#state, index, stateHash);
  }

  /** Puts the newest reported hash into the log, on the leader only. Undefined where none was reported. */
  proposeCheckpoint(): ProposeResult | undefined {
    return proposeCheckpoint(this.#state);
  }

  /**
   * To be called for each checkpoint entry when it is applied. Throws StateDivergedError, and stops the node, where
   * this node's state at that place was another one.
   */
  verifyCheckpoint(checkpoint: Checkpoint): void {
    const error = divergence(this.#state, checkpoint);
    if (error === undefined) return;
    this.stop(error);
    throw error;
  }

  /**
   * The state after `snapshotIndex` stands for what the log no longer has, or cannot read: `releasedIndex` and below.
   * Durability: where the log is truncated, that state is durable before this is called, and the log truncated after it.
   */
  compact(snapshotIndex: LogIndex, releasedIndex: LogIndex): void {
    const state = this.#state;
    invariant(releasedIndex <= snapshotIndex, 'entries are released that no snapshot holds');
    if (snapshotIndex > (state.snapshot?.index ?? 0)) {
      state.snapshot = snapshotAt(state, snapshotIndex);
    }
    releaseLog(state.log, releasedIndex);
    const base = state.configurations.findLastIndex((record) => record.index <= releasedIndex);
    state.configurations.splice(0, Math.max(base, 0));
  }

  /**
   * The driver holds all of a snapshot that was offered. Returns false where it is not needed any more; otherwise
   * the next persist request says to switch to it.
   */
  restoreSnapshot(snapshot: SnapshotMetadata): boolean {
    return this.#isRunning() && restoreSnapshot(this.#state, snapshot);
  }

  /** The offered snapshot did not reach that node. */
  snapshotFailed(nodeId: NodeId): void {
    noteSnapshotFailed(this.#state, nodeId);
  }

  /** The connection to that node broke: what is in flight is probably lost. */
  unreachable(nodeId: NodeId): void {
    noteUnreachable(this.#state, nodeId);
  }

  /** No process listens where that node is. Where it leads and has fallen silent, an election begins soon. */
  processGone(nodeId: NodeId): void {
    if (this.#isRunning()) noteGone(this.#state, nodeId);
  }

  /**
   * What a node is whose log ends at `end`; undefined where it may know more than is known here to be committed. To be called
   * after a confirmed read was asked for and applied, or the answer may be that of a while ago.
   */
  standingOf(nodeId: NodeId, end: LogPosition): Standing | undefined {
    return standingOf(this.#state, nodeId, end);
  }

  /**
   * A member has answered so, when it was told that the log of this node ends at `end`. Who is none stands for no election
   * until a leader speaks to it. Nothing, where more was heard of meanwhile.
   */
  noteStanding(end: LogPosition, standing: Standing): void {
    if (this.#isRunning()) noteStanding(this.#state, end, standing);
  }

  /**
   * The disk failed, or the process is about to end. A leader asks the voter that has most of the log to take over.
   * What was to be persisted is dropped, and with it every message that waited for it.
   */
  stop(cause: unknown): void {
    const state = this.#state;
    if (!this.#isRunning()) return;
    if (state.role === 'leader') handOverNow(state);
    becomeFollower(state, state.term, undefined);
    state.afterPersist = [];
    state.fault = cause ?? 'stopped';
  }

  status(): RaftStatus {
    return statusOf(this.#state);
  }

  #isRunning(): boolean {
    return this.#state.fault === undefined;
  }
}

function statusOf(state: RaftState): RaftStatus {
  const { settings, role, term, votedFor, leaderId, log, fault, transfer } = state;
  const { commitIndex, appliedIndex, uncommittedBytes } = state;
  return {
    nodeId: settings.nodeId,
    role,
    term,
    votedFor,
    leaderId,
    firstIndex: firstIndex(log),
    lastIndex: lastIndex(log),
    lastTerm: lastTerm(log),
    commitIndex,
    appliedIndex,
    persistedIndex: state.disk.persistedIndex as LogIndex,
    configuration: currentConfiguration(state),
    toldStanding: state.toldStanding,
    uncommittedBytes,
    transferringTo: transfer?.to,
    progress: copyOf(state.progress),
    fault,
  };
}

function copyOf(progress: RaftState['progress']): RaftState['progress'] {
  const copy: RaftState['progress'] = new Map();
  for (const [id, one] of progress) copy.set(id, { ...one });
  return copy;
}
