/**
 * `@holdfast/raft`: consensus, and nothing else. Messages and ticks go in; what to persist, to send and to apply comes
 * out. No I/O, no clock, no randomness of its own. Stands on `bytes`; `replica` drives it with a disk and a network.
 *
 * @example
 * const raft = new Raft({ nodeId, random }, stored);
 * raft.tick();
 * const ready = raft.ready();
 * // send ready.messages; persist ready.persist, then send its messages and call raft.persisted(its ack);
 * // apply ready.committed, then call raft.applied(last index)
 *
 * Source: packages/raft/src
 */

export type { ChangeRefusal, Configuration, MembershipChange } from './configuration.ts';
export { configurationOf, isJoint, isVoter, MEMBER_LIMIT, membersOf } from './configuration.ts';
export type { Checkpoint, Command, Entry, EntryContent } from './entry.ts';
export { contentSizeBytes } from './entry.ts';
export { StateDivergedError } from './errors.ts';
export type {
  AppendAccepted,
  AppendEntries,
  AppendRejected,
  ForwardProposal,
  ForwardReply,
  Heartbeat,
  HeartbeatReply,
  InstallSnapshot,
  Message,
  PreVoteReply,
  ReadIndexReply,
  ReadIndexRequest,
  RequestPreVote,
  RequestVote,
  SnapshotMetadata,
  StaleTerm,
  TimeoutNow,
  VoteReply,
} from './message.ts';
export type { NodeId } from './node-id.ts';
export { nodeId } from './node-id.ts';
export type { MemberStatus, RaftStatus } from './raft.ts';
export { Raft } from './raft.ts';
export type { LogPosition, StoredEntry } from './raft-log.ts';
export type { Role } from './raft-state.ts';
export type { ForwardOutcome, PersistAck, PersistRequest, ReadOutcome, Ready } from './ready.ts';
export type {
  ForwardResult,
  MembershipRefusal,
  MembershipResult,
  ProposalRefusal,
  ProposeResult,
  ReadRefusal,
  ReadResult,
  Refused,
  TransferRefusal,
  TransferResult,
} from './refusals.ts';
export type { HardState, RaftOptions, RaftSettings, StoredState } from './settings.ts';
export type { Standing } from './standing.ts';
