/** What a node does that is told by a leader: append, learn what is committed, take a snapshot (figure 2). */
import { invariant, logIndex } from '@holdfast/bytes';
import { commitTo } from './commit.ts';
import { appendAll, truncateFrom } from './log-change.ts';
import type { AppendEntries, Heartbeat, InstallSnapshot, SnapshotMetadata } from './message.ts';
import type { NodeId } from './node-id.ts';
import { send, sendWhenDurable } from './outbox.ts';
import { lastIndex, lastNotAfterTerm, openLog, termAt } from './raft-log.ts';
import type { RaftState } from './raft-state.ts';
import { becomeFollower } from './roles.ts';

export function handleAppendEntries(state: RaftState, message: AppendEntries): void {
  followLeader(state, message.from);
  const { log, commitIndex } = state;
  const { prevLogIndex, prevLogTerm, entries, from } = message;
  if (!isContiguous(message)) return;
  if (prevLogIndex < commitIndex) {
    sendWhenDurable(state, from, { type: 'appendAccepted', matchIndex: commitIndex });
    return;
  }
  if (termAt(log, prevLogIndex) !== prevLogTerm) {
    rejectAppend(state, message);
    return;
  }
  // An entry that is there already is not written again; the first that differs cuts off everything from it on.
  const fresh = entries.findIndex((entry) => termAt(log, entry.index) !== entry.term);
  const firstFresh = fresh === -1 ? undefined : entries[fresh];
  if (firstFresh !== undefined) {
    if (firstFresh.index <= lastIndex(log)) truncateFrom(state, firstFresh.index);
    appendAll(state, entries.slice(fresh));
  }
  const matchIndex = logIndex(prevLogIndex + entries.length);
  commitTo(state, logIndex(Math.min(message.leaderCommit, matchIndex)));
  // What only tells of a commit is not acknowledged. Were the acknowledgement before it lost, the leader asks again.
  const isOnlyCommit = entries.length === 0 && state.commitIndex > commitIndex;
  if (isOnlyCommit && matchIndex <= state.acknowledgedIndex) return;
  state.acknowledgedIndex = Math.max(state.acknowledgedIndex, matchIndex);
  sendWhenDurable(state, from, { type: 'appendAccepted', matchIndex });
}

export function handleHeartbeat(state: RaftState, message: Heartbeat): void {
  followLeader(state, message.from);
  commitTo(state, message.leaderCommit);
  send(state, message.from, { type: 'heartbeatReply', readRound: message.readRound });
}

export function handleInstallSnapshot(state: RaftState, message: InstallSnapshot): void {
  followLeader(state, message.from);
  const { snapshot, from } = message;
  if (hasEverythingOf(state, snapshot)) {
    commitTo(state, snapshot.index);
    sendWhenDurable(state, from, { type: 'appendAccepted', matchIndex: state.commitIndex });
  } else {
    state.snapshotOffer = { from, snapshot };
  }
}

/**
 * The driver holds the whole of a snapshot: replace the log by it. What a snapshot holds is committed, so it may be
 * taken at any time and whoever leads by now. Returns false where the log has all of it already.
 */
export function restoreSnapshot(state: RaftState, snapshot: SnapshotMetadata): boolean {
  if (hasEverythingOf(state, snapshot)) return false;
  if (state.role !== 'follower') becomeFollower(state, state.term, state.leaderId);
  const { index } = snapshot;
  const { disk } = state;
  // Safety: until the snapshot is durable the disk has the log as it was, and only what was committed of it is so everywhere.
  const durableIndex = Math.min(disk.persistedIndex, state.commitIndex);
  state.log = openLog({ index, term: snapshot.term }, []);
  state.configurations = [{ index, configuration: snapshot.configuration }];
  state.snapshot = snapshot;
  state.snapshotOffer = undefined;
  state.commitIndex = index;
  state.handedIndex = index;
  state.appliedIndex = index;
  state.applyingBytes = 0;
  disk.snapshot = snapshot;
  disk.truncateFrom = undefined;
  disk.savedIndex = index;
  disk.persistedIndex = durableIndex;
  for (const write of disk.inFlight) write.provesIndex = Math.min(write.provesIndex, durableIndex);
  if (state.leaderId !== undefined) {
    sendWhenDurable(state, state.leaderId, { type: 'appendAccepted', matchIndex: index });
  }
  return true;
}

/** A leader of the current term has spoken. */
function followLeader(state: RaftState, from: NodeId): void {
  invariant(state.role !== 'leader', `${from} leads term ${state.term} as this node does`);
  if (state.role !== 'follower' || state.leaderId !== from) becomeFollower(state, state.term, from);
  state.electionElapsed = 0;
  state.toldStanding = undefined;
}

function rejectAppend(state: RaftState, { from, prevLogIndex, prevLogTerm }: AppendEntries): void {
  const hint = lastNotAfterTerm(state.log, prevLogIndex, prevLogTerm);
  sendWhenDurable(state, from, {
    type: 'appendRejected',
    rejectedIndex: prevLogIndex,
    hintIndex: hint.index,
    hintTerm: hint.term,
  });
}

function hasEverythingOf(state: RaftState, { index, term }: SnapshotMetadata): boolean {
  return index <= state.commitIndex || termAt(state.log, index) === term;
}

/** A message that is not what a leader sends is dropped: it is as good as lost. */
function isContiguous({ prevLogIndex, entries, term }: AppendEntries): boolean {
  return entries.every(
    (entry, position) =>
      entry.index === prevLogIndex + 1 + position &&
      entry.content !== undefined &&
      entry.term <= term,
  );
}
