/** The changes of role. Each leaves nothing of the role before behind. */
import { invariant, type Term, term } from '@holdfast/bytes';
import { membersOf } from './configuration.ts';
import { voidForwards } from './forwards.ts';
import { appendOwn } from './log-change.ts';
import type { NodeId } from './node-id.ts';
import { newProgress } from './progress.ts';
import { lastIndex, sizeOfRange } from './raft-log.ts';
import {
  currentConfiguration,
  drawElectionTimeout,
  idleRole,
  type RaftState,
} from './raft-state.ts';
import { voidReads } from './reads.ts';

export function becomeFollower(
  state: RaftState,
  newTerm: Term,
  leaderId: NodeId | undefined,
): void {
  invariant(newTerm >= state.term, 'a term never goes back');
  leaveRole(state, newTerm, leaderId);
}

/** Asks whether an election could be won. Neither the term nor the vote changes. */
export function becomePreCandidate(state: RaftState): void {
  leaveRole(state, state.term, undefined);
  state.role = 'preCandidate';
}

/** Votes for itself in a new term. The vote counts when it is durable. */
export function becomeCandidate(state: RaftState): void {
  leaveRole(state, term(state.term + 1), undefined);
  state.role = 'candidate';
  state.votedFor = state.settings.nodeId;
  state.disk.selfVoteTerm = state.term;
}

export function becomeLeader(state: RaftState): void {
  const { nodeId } = state.settings;
  invariant(state.role === 'candidate', `a ${state.role} cannot become leader`);
  leaveRole(state, state.term, nodeId);
  state.role = 'leader';
  state.reads.round = 0;
  const end = lastIndex(state.log);
  for (const id of [...membersOf(currentConfiguration(state)), nodeId]) {
    state.progress.set(id, newProgress(end + 1));
  }
  const own = state.progress.get(nodeId);
  if (own !== undefined) own.matchIndex = state.disk.persistedIndex;
  state.uncommittedBytes = sizeOfRange(state.log, state.commitIndex + 1, end + 1);
  state.ownTermStart = end + 1;
  appendOwn(state, { type: 'noop' });
}

function leaveRole(state: RaftState, newTerm: Term, leaderId: NodeId | undefined): void {
  // Order: what waits is given up in the name of the old term.
  if (state.role === 'leader' || newTerm !== state.term || leaderId !== state.leaderId) {
    voidReads(state);
    voidForwards(state);
  }
  if (newTerm !== state.term) {
    state.term = newTerm;
    state.votedFor = undefined;
  }
  Object.assign(state, idleRole());
  state.leaderId = leaderId;
  drawElectionTimeout(state);
}
