/** When an entry is committed (sections 5.3 and 5.4.2), and what follows for the leader from a committed change. */
import { invariant, type LogIndex, logIndex } from '@holdfast/bytes';
import { isJoint, isVoter, leaveJoint } from './configuration.ts';
import { appendOwn } from './log-change.ts';
import type { NodeId } from './node-id.ts';
import { quorumValue } from './quorum.ts';
import { lastIndex, sizeOfRange, termAt } from './raft-log.ts';
import { currentConfiguration, currentConfigurationRecord, type RaftState } from './raft-state.ts';

/**
 * Commits what a majority has on disk. Safety: only an entry of the leader's own term is committed by counting; with
 * it everything before it is (figure 8 shows what happens otherwise).
 */
export function advanceCommit(state: RaftState): void {
  if (state.role !== 'leader') return;
  const reached = quorumValue(
    currentConfiguration(state),
    (id) => state.progress.get(id)?.matchIndex ?? 0,
  );
  if (reached <= state.commitIndex || termAt(state.log, reached) !== state.term) return;
  commitTo(state, logIndex(reached));
  leaveJointWhenCommitted(state);
}

/** Invariant: the commit index never goes back, and never beyond the log. */
export function commitTo(state: RaftState, index: LogIndex): void {
  if (index <= state.commitIndex) return;
  invariant(index <= lastIndex(state.log), `entry ${index} is committed and not in the log`);
  if (state.role === 'leader') {
    state.uncommittedBytes -= sizeOfRange(state.log, state.commitIndex + 1, index + 1);
  }
  state.commitIndex = index;
}

/** The leader is no voter of the configuration in force, and that is committed: it has nothing to lead any more. */
export function isRemovedLeader(state: RaftState): boolean {
  const { index, configuration } = currentConfigurationRecord(state);
  return (
    state.role === 'leader' &&
    index <= state.commitIndex &&
    !isVoter(configuration, state.settings.nodeId)
  );
}

/** The voter that has most of the log, this node aside. */
export function mostAdvancedVoter(state: RaftState): NodeId | undefined {
  const { voters } = currentConfiguration(state);
  let best: NodeId | undefined;
  const matchOf = (id: NodeId | undefined): number =>
    id === undefined ? -1 : (state.progress.get(id)?.matchIndex ?? 0);
  for (const id of voters) {
    if (id !== state.settings.nodeId && matchOf(id) > matchOf(best)) best = id;
  }
  return best;
}

/**
 * Section 6: the joint configuration is left once it is committed. Safety: committed by this leader, in its own term;
 * a new leader that finds a joint configuration first commits an entry of its own, and so this one with it.
 */
function leaveJointWhenCommitted(state: RaftState): void {
  const { index, configuration } = currentConfigurationRecord(state);
  if (!isJoint(configuration) || index > state.commitIndex) return;
  appendOwn(state, { type: 'membership', configuration: leaveJoint(configuration) });
  // Without the outgoing voters a majority may have been reached already.
  advanceCommit(state);
}
