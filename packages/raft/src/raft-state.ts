/**
 * All that one node's consensus consists of, as plain data. The other files are functions over it; `raft.ts` is the
 * only thing that callers see.
 */
import { invariant, type LogIndex, type Term } from '@holdfast/bytes';
import type { Configuration } from './configuration.ts';
import type { Checkpoint } from './entry.ts';
import type { Message, SnapshotMetadata } from './message.ts';
import type { NodeId } from './node-id.ts';
import type { Progress } from './progress.ts';
import type { RaftLog } from './raft-log.ts';
import type { ForwardOutcome, ReadOutcome } from './ready.ts';
import type { HardState, RaftSettings } from './settings.ts';
import type { Standing } from './standing.ts';

export type Role = 'follower' | 'preCandidate' | 'candidate' | 'leader';

/** A read on its way: `from` is this node for its own readers. */
export interface PendingRead {
  readonly from: NodeId;
  readonly readId: number;
}

export interface ConfigurationRecord {
  readonly index: LogIndex;
  readonly configuration: Configuration;
}

/** A request to the disk that is not yet acknowledged. */
export interface WriteInFlight {
  readonly write: number;
  /** Highest entry that the request proves durable. Falls when the log is cut: the proof is void for what was. */
  provesIndex: number;
  /** Term of a vote that this node gave itself and that counts once it is durable. */
  readonly selfVoteTerm: Term | undefined;
  readonly hardState: HardState | undefined;
  readonly isSnapshot: boolean;
}

type IdleRole = Pick<
  RaftState,
  | 'role'
  | 'electionElapsed'
  | 'heartbeatElapsed'
  | 'votes'
  | 'progress'
  | 'ownTermStart'
  | 'uncommittedBytes'
  | 'transfer'
  | 'acknowledgedIndex'
>;

export interface RaftState {
  readonly settings: RaftSettings;
  role: Role;
  term: Term;
  votedFor: NodeId | undefined;
  leaderId: NodeId | undefined;
  log: RaftLog;
  commitIndex: LogIndex;
  /** Entries up to here were handed out to be applied. */
  handedIndex: LogIndex;
  appliedIndex: LogIndex;
  /** Bytes of the entries in (appliedIndex, handedIndex]. */
  applyingBytes: number;
  /** The latest snapshot that this node can offer. */
  snapshot: SnapshotMetadata | undefined;
  /** The configurations of the log by the index of their entry; the first is in force at `log.base`. */
  configurations: ConfigurationRecord[];

  /** What a member has said that this node is; undefined where none has, and as soon as a leader speaks to it. */
  toldStanding: Standing | undefined;

  electionElapsed: number;
  heartbeatElapsed: number;
  /** Drawn anew at every change of role or term. */
  electionTimeout: number;

  /** Answers to the election that this node runs. */
  votes: Map<NodeId, boolean>;
  /** Leader only: one for each member, itself included. */
  progress: Map<NodeId, Progress>;
  /** Leader only: the index of its no-op. Reads and changes of membership wait until that is committed. */
  ownTermStart: number;
  /** Leader only. */
  uncommittedBytes: number;
  /** Leader only: to whom leadership is being handed, and for how many ticks. */
  transfer: { readonly to: NodeId; elapsed: number } | undefined;

  /** Follower only: the highest entry of which its leader was told, or is about to be told, that it is here. */
  acknowledgedIndex: number;

  reads: {
    /** Number of the last heartbeat broadcast of this term. */
    round: number;
    /** Asked, and not yet part of a round. */
    waiting: PendingRead[];
    /** Waiting for their round to be confirmed; rounds grow. */
    confirming: { readonly round: number; readonly index: LogIndex; reads: PendingRead[] }[];
    /** Asked of the leader: ids, and for how many ticks. */
    forwarded: Map<number, number>;
    nextId: number;
  };
  /** Proposals sent to the leader and not yet answered: ids, and for how many ticks. */
  forwards: { waiting: Map<number, number>; nextId: number };

  disk: {
    /** Entries up to here were handed out to be persisted. */
    savedIndex: number;
    /** Entries up to here are durable, in the log as it is now. */
    persistedIndex: number;
    /** Cut the disk's log here before anything is appended. */
    truncateFrom: number | undefined;
    /** The hard state that was last handed out, and the one that is durable. */
    savedHardState: HardState;
    persistedTerm: Term;
    nextWrite: number;
    inFlight: WriteInFlight[];
    /** Restored, and not yet handed out. */
    snapshot: SnapshotMetadata | undefined;
    /** Voted for itself, and not yet handed out. */
    selfVoteTerm: Term | undefined;
  };

  /** Hashes of this node's own state, oldest first; a few. */
  stateHashes: Checkpoint[];

  outbox: Message[];
  /** Wait for the disk. */
  afterPersist: Message[];
  readResults: ReadOutcome[];
  forwardResults: ForwardOutcome[];
  snapshotOffer: { readonly from: NodeId; readonly snapshot: SnapshotMetadata } | undefined;
  /** Why this node is stopped. */
  fault: unknown;
}

/** The configuration in force: the latest in the log, committed or not. */
export function currentConfiguration(state: RaftState): Configuration {
  return currentConfigurationRecord(state).configuration;
}

export function currentConfigurationRecord(state: RaftState): ConfigurationRecord {
  const record = state.configurations.at(-1);
  invariant(record !== undefined, 'a node without a configuration');
  return record;
}

/** The last one that is known to be committed, and those behind it, one of which may be by now. */
export function configurationsInForce({
  configurations,
  commitIndex,
}: RaftState): readonly Configuration[] {
  const committed = configurations.findLastIndex((record) => record.index <= commitIndex);
  return configurations.slice(Math.max(committed, 0)).map(({ configuration }) => configuration);
}

/** The configuration in force at an index that is in the log, or its base. */
export function configurationAt(state: RaftState, index: LogIndex): Configuration {
  const record = state.configurations.findLast((candidate) => candidate.index <= index);
  invariant(record !== undefined, `the configuration at entry ${index} is not known`);
  return record.configuration;
}

export function drawElectionTimeout(state: RaftState): void {
  const { electionTimeoutTicks, random } = state.settings;
  state.electionTimeout = electionTimeoutTicks + Math.floor(random() * electionTimeoutTicks);
}

/** What a node has that is neither candidate nor leader. */
export function idleRole(): IdleRole {
  return {
    role: 'follower',
    electionElapsed: 0,
    heartbeatElapsed: 0,
    votes: new Map(),
    progress: new Map(),
    ownTermStart: 0,
    uncommittedBytes: 0,
    transfer: undefined,
    acknowledgedIndex: 0,
  };
}
