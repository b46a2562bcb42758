/**
 * What nodes say to each other. `term` is the sender's, except in a pre-vote, where it is the term that the sender
 * would have if it went on. How a message becomes bytes is not decided here.
 */
import type { LogIndex, Term } from '@holdfast/bytes';
import type { Configuration } from './configuration.ts';
import type { Command, Entry } from './entry.ts';
import type { NodeId } from './node-id.ts';
import type { ProposalRefusal, ReadRefusal } from './refusals.ts';

interface Envelope {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly term: Term;
}

/** What a snapshot stands for: the state after every entry up to `index`. */
export interface SnapshotMetadata {
  readonly index: LogIndex;
  readonly term: Term;
  /** The configuration in force at `index`. */
  readonly configuration: Configuration;
}

export interface RequestVote extends Envelope {
  readonly type: 'requestVote';
  readonly lastLogIndex: LogIndex;
  readonly lastLogTerm: Term;
  /** The leader asked for this election, so a vote may be given though a leader was heard of lately. */
  readonly isTransfer: boolean;
}

export interface RequestPreVote extends Envelope {
  readonly type: 'requestPreVote';
  readonly lastLogIndex: LogIndex;
  readonly lastLogTerm: Term;
}

export interface VoteReply extends Envelope {
  readonly type: 'voteReply';
  readonly granted: boolean;
}

/** If granted, `term` is the one that was asked for; if not, the term of the node that refuses. */
export interface PreVoteReply extends Envelope {
  readonly type: 'preVoteReply';
  readonly granted: boolean;
}

export interface AppendEntries extends Envelope {
  readonly type: 'appendEntries';
  readonly prevLogIndex: LogIndex;
  readonly prevLogTerm: Term;
  /** Contiguous from `prevLogIndex + 1`. */
  readonly entries: readonly Entry[];
  readonly leaderCommit: LogIndex;
}

/** Sent when everything up to `matchIndex` is durable on the sender and the same as the leader's. */
export interface AppendAccepted extends Envelope {
  readonly type: 'appendAccepted';
  readonly matchIndex: LogIndex;
}

export interface AppendRejected extends Envelope {
  readonly type: 'appendRejected';
  /** `prevLogIndex` of the message that is answered. */
  readonly rejectedIndex: LogIndex;
  /** The highest index that can match, by what the follower knows, and its term there; 0 where there is none. */
  readonly hintIndex: LogIndex;
  readonly hintTerm: Term;
}

/** Carries no entry, so that it may travel beside a large `appendEntries` and not behind it. */
export interface Heartbeat extends Envelope {
  readonly type: 'heartbeat';
  /** Never above what the leader knows to match on the receiver. */
  readonly leaderCommit: LogIndex;
  /** Fresh for every broadcast of a leader's term: an answer proves leadership at the time of that broadcast. */
  readonly readRound: number;
}

export interface HeartbeatReply extends Envelope {
  readonly type: 'heartbeatReply';
  readonly readRound: number;
}

/** Offers a snapshot. The bytes travel elsewhere; the driver calls `restoreSnapshot` when it has them. */
export interface InstallSnapshot extends Envelope {
  readonly type: 'installSnapshot';
  readonly snapshot: SnapshotMetadata;
}

/** Tells the receiver to start an election at once. */
export interface TimeoutNow extends Envelope {
  readonly type: 'timeoutNow';
}

/** Answers a message of an older leader, or of one that this node has left behind in a partition. */
export interface StaleTerm extends Envelope {
  readonly type: 'staleTerm';
}

export interface ForwardProposal extends Envelope {
  readonly type: 'forwardProposal';
  readonly requestId: number;
  readonly command: Command;
}

export interface ForwardReply extends Envelope {
  readonly type: 'forwardReply';
  readonly requestId: number;
  readonly outcome:
    | { readonly accepted: true; readonly index: LogIndex; readonly term: Term }
    | { readonly accepted: false; readonly code: ProposalRefusal };
}

export interface ReadIndexRequest extends Envelope {
  readonly type: 'readIndexRequest';
  /** Never used twice, not even by the same node after a restart. */
  readonly readId: number;
}

export interface ReadIndexReply extends Envelope {
  readonly type: 'readIndexReply';
  readonly readId: number;
  readonly outcome:
    | { readonly confirmed: true; readonly index: LogIndex }
    | { readonly confirmed: false; readonly code: ReadRefusal };
}

export type Message =
  | RequestVote
  | RequestPreVote
  | VoteReply
  | PreVoteReply
  | AppendEntries
  | AppendAccepted
  | AppendRejected
  | Heartbeat
  | HeartbeatReply
  | InstallSnapshot
  | TimeoutNow
  | StaleTerm
  | ForwardProposal
  | ForwardReply
  | ReadIndexRequest
  | ReadIndexReply;
