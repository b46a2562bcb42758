/** The passing of time: heartbeats, election timeouts, and waits that end. */
import { isPromotable, startElection } from './election.ts';
import { expireForwards } from './forwards.ts';
import type { NodeId } from './node-id.ts';
import { quorumValue } from './quorum.ts';
import { currentConfiguration, type RaftState } from './raft-state.ts';
import { broadcastHeartbeat, expireReads } from './reads.ts';
import { repeatSnapshotOffers } from './replication.ts';
import { becomeFollower } from './roles.ts';
import { tickTransfer } from './transfer.ts';

export function tick(state: RaftState): void {
  expireReads(state);
  expireForwards(state);
  if (state.role === 'leader') tickLeader(state);
  else tickElection(state);
}

/** Heartbeats that may be late before a leader is silent. */
const SILENT_HEARTBEATS = 2;

/**
 * The process of that node does not listen. Why silence too: a leader that is heard of lives, whatever is between it and here.
 * Safety: an election may begin at any time, and where the leader lives for the others, they refuse the pre-vote.
 * Why a wait all the same: the others learn of it at the same time, and two candidates would share the votes.
 */
export function noteGone(state: RaftState, nodeId: NodeId): void {
  const { settings, leaderId, electionElapsed } = state;
  if (leaderId !== nodeId || nodeId === settings.nodeId) return;
  if (electionElapsed < SILENT_HEARTBEATS * settings.heartbeatTicks) return;
  becomeFollower(state, state.term, undefined);
  state.electionTimeout = 1 + Math.floor((settings.random() * settings.electionTimeoutTicks) / 4);
}

function tickElection(state: RaftState): void {
  state.electionElapsed++;
  if (state.electionElapsed < state.electionTimeout) return;
  if (isPromotable(state)) startElection(state);
  // Who may not stand for election knows no leader any more either: a learner, or who was taken out.
  else if (state.leaderId !== undefined) becomeFollower(state, state.term, undefined);
}

function tickLeader(state: RaftState): void {
  tickTransfer(state);
  state.electionElapsed++;
  if (state.electionElapsed >= state.settings.electionTimeoutTicks) {
    state.electionElapsed = 0;
    if (!checkQuorum(state)) return;
    repeatSnapshotOffers(state);
  }
  state.heartbeatElapsed++;
  if (state.heartbeatElapsed < state.settings.heartbeatTicks) return;
  state.heartbeatElapsed = 0;
  broadcastHeartbeat(state);
}

/** A leader that no majority answers lets go, so that its clients do not wait for nothing. */
function checkQuorum(state: RaftState): boolean {
  const { nodeId, checkQuorum: isChecked } = state.settings;
  const isActive = quorumValue(currentConfiguration(state), (id) =>
    id === nodeId || state.progress.get(id)?.isRecentlyActive === true ? 1 : 0,
  );
  if (isChecked && isActive === 0) {
    becomeFollower(state, state.term, undefined);
    return false;
  }
  for (const progress of state.progress.values()) progress.isRecentlyActive = false;
  return true;
}
