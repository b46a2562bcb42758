/** Elections (section 5.2), what makes a log worth a vote (5.4.1), and pre-votes (9.6 of the thesis). */
import { term } from '@holdfast/bytes';
import { isVoter, votersOf } from './configuration.ts';
import type { PreVoteReply, RequestPreVote, RequestVote, VoteReply } from './message.ts';
import type { NodeId } from './node-id.ts';
import { sendAtTerm, sendWhenDurable } from './outbox.ts';
import { voteOutcome } from './quorum.ts';
import { isUpToDate, lastIndex, lastTerm } from './raft-log.ts';
import { configurationsInForce, currentConfiguration, type RaftState } from './raft-state.ts';
import { becomeCandidate, becomeFollower, becomeLeader, becomePreCandidate } from './roles.ts';

/** Begins an election, by a pre-vote if that is the setting. Does nothing on a node that may not lead. */
export function startElection(state: RaftState): void {
  if (state.role === 'leader' || !isPromotable(state)) return;
  if (state.settings.preVote) startPreVote(state);
  else startVote(state, false);
}

/** Begins an election without asking first: the leader wants to hand over. */
export function startTransferElection(state: RaftState): void {
  if (state.role !== 'leader' && isPromotable(state)) startVote(state, true);
}

/**
 * A voter whose log is whole. Why the configurations before the last: one that is not committed may be on no other
 * disk, and then the others need this node's vote or its log though it is to be no voter any more (4.2.2 of the
 * thesis). Its own vote counts for nothing where the last configuration does not name it. And none that was told that it is
 * no member: what it wants is refused by all, again and again.
 */
export function isPromotable(state: RaftState): boolean {
  const { disk, settings, toldStanding } = state;
  const isRestoring =
    disk.snapshot !== undefined || disk.inFlight.some((write) => write.isSnapshot);
  const isNamed = configurationsInForce(state).some((one) => isVoter(one, settings.nodeId));
  return isNamed && !isRestoring && toldStanding !== 'none';
}

/** A leader was heard of within the shortest election timeout, or this is one. */
export function isInLease(state: RaftState): boolean {
  const { settings, leaderId, electionElapsed } = state;
  return (
    settings.checkQuorum &&
    leaderId !== undefined &&
    electionElapsed < settings.electionTimeoutTicks
  );
}

export function handleRequestPreVote(state: RaftState, message: RequestPreVote): void {
  const candidate = { index: message.lastLogIndex, term: message.lastLogTerm };
  const granted =
    !isInLease(state) && message.term > state.term && isUpToDate(state.log, candidate);
  // Why: two that ask at the same time would both go on, share the votes, and wait for another timeout.
  if (granted && state.role === 'preCandidate' && message.from < state.settings.nodeId) {
    becomeFollower(state, state.term, undefined);
  }
  const replyTerm = granted ? message.term : state.term;
  sendAtTerm(state, message.from, replyTerm, { type: 'preVoteReply', granted });
}

/** `message.term` is the current term here: step() has seen to that. */
export function handleRequestVote(state: RaftState, message: RequestVote): void {
  const { from } = message;
  const isFree = state.votedFor === undefined && state.leaderId === undefined;
  const candidate = { index: message.lastLogIndex, term: message.lastLogTerm };
  const granted = (isFree || state.votedFor === from) && isUpToDate(state.log, candidate);
  if (granted) {
    state.votedFor = from;
    state.electionElapsed = 0;
  }
  sendWhenDurable(state, from, { type: 'voteReply', granted });
}

export function handlePreVoteReply(state: RaftState, message: PreVoteReply): void {
  if (state.role !== 'preCandidate') return;
  if (message.granted && message.term !== state.term + 1) return;
  countVote(state, message.from, message.granted);
}

export function handleVoteReply(state: RaftState, message: VoteReply): void {
  if (state.role === 'candidate') countVote(state, message.from, message.granted);
}

/** The node's own vote is on disk. */
export function countSelfVote(state: RaftState, voteTerm: number): void {
  if (state.role !== 'candidate' || state.term !== voteTerm) return;
  countVote(state, state.settings.nodeId, true);
}

function startPreVote(state: RaftState): void {
  becomePreCandidate(state);
  for (const to of otherVoters(state)) {
    sendAtTerm(state, to, term(state.term + 1), { type: 'requestPreVote', ...logEnd(state) });
  }
  countVote(state, state.settings.nodeId, true);
}

function startVote(state: RaftState, isTransfer: boolean): void {
  becomeCandidate(state);
  for (const to of otherVoters(state)) {
    sendWhenDurable(state, to, { type: 'requestVote', ...logEnd(state), isTransfer });
  }
}

/** The first answer of a voter is the one that counts. */
function countVote(state: RaftState, from: NodeId, granted: boolean): void {
  if (!state.votes.has(from)) state.votes.set(from, granted);
  const outcome = voteOutcome(currentConfiguration(state), state.votes);
  if (outcome === 'lost') becomeFollower(state, state.term, undefined);
  if (outcome !== 'won') return;
  if (state.role === 'preCandidate') startVote(state, false);
  else becomeLeader(state);
}

function otherVoters(state: RaftState): NodeId[] {
  const { nodeId } = state.settings;
  return votersOf(currentConfiguration(state)).filter((id) => id !== nodeId);
}

function logEnd({ log }: RaftState): Pick<RequestVote, 'lastLogIndex' | 'lastLogTerm'> {
  return { lastLogIndex: lastIndex(log), lastLogTerm: lastTerm(log) };
}
