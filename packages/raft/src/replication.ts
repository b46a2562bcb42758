/** The leader's side of replication (section 5.3): what each member is sent, and what its answers mean. */
import { invariant, logIndex } from '@holdfast/bytes';
import { advanceCommit } from './commit.ts';
import type { AppendAccepted, AppendRejected, HeartbeatReply } from './message.ts';
import type { NodeId } from './node-id.ts';
import { send } from './outbox.ts';
import {
  becomeProbe,
  becomeReplicate,
  becomeSnapshot,
  isPaused,
  noteMatch,
  noteRejected,
  noteSent,
  type Progress,
} from './progress.ts';
import { lastIndex, lastNotAfterTerm, sliceLog, termAt } from './raft-log.ts';
import type { RaftState } from './raft-state.ts';
import { confirmReads } from './reads.ts';

/** Sends every member what it lacks, as far as its window allows. */
export function sendAppends(state: RaftState): void {
  if (state.role !== 'leader') return;
  for (const [to, progress] of state.progress) {
    if (to === state.settings.nodeId) continue;
    while (sendNext(state, to, progress)) {
      // Until the member has everything or its window is full.
    }
  }
}

export function handleAppendAccepted(state: RaftState, message: AppendAccepted): void {
  const progress = progressOf(state, message.from);
  if (progress === undefined) return;
  const { matchIndex } = message;
  invariant(
    matchIndex <= lastIndex(state.log),
    `${message.from} has entries that its leader lacks`,
  );
  const isNews = noteMatch(progress, matchIndex);
  const isConnected = termAt(state.log, progress.matchIndex) !== undefined;
  if (progress.state !== 'replicate' && isConnected) becomeReplicate(progress);
  // The log was released beyond the snapshot meanwhile: a newer one is offered.
  if (progress.state === 'snapshot' && matchIndex >= progress.pendingSnapshot)
    becomeProbe(progress);
  if (isNews) advanceCommit(state);
  handOverIfReady(state);
}

export function handleAppendRejected(state: RaftState, message: AppendRejected): void {
  const progress = progressOf(state, message.from);
  if (progress === undefined) return;
  const { rejectedIndex, hintIndex, hintTerm } = message;
  const hint = lastNotAfterTerm(state.log, hintIndex, hintTerm);
  noteRejected(progress, rejectedIndex, hint.index);
}

export function handleHeartbeatReply(state: RaftState, message: HeartbeatReply): void {
  const progress = progressOf(state, message.from);
  if (progress === undefined) return;
  progress.ackedRound = Math.max(progress.ackedRound, message.readRound);
  confirmReads(state);
  progress.isProbeSent = false;
  const isBehind = progress.matchIndex < lastIndex(state.log);
  // Why: if the last message in flight was lost, nothing else would ever tell. The member rejects an empty
  // message that begins after the loss, and probing finds the place.
  if (progress.state === 'replicate' && isBehind && progress.inFlight.length > 0) {
    sendEmpty(state, message.from, progress);
  }
}

/** The driver could not send, or could not deliver the snapshot. */
export function noteUnreachable(state: RaftState, nodeId: NodeId): void {
  const progress = state.progress.get(nodeId);
  if (progress === undefined || progress.state !== 'replicate') return;
  becomeProbe(progress);
}

/** A transfer of a snapshot ended without success; probing decides what comes next. */
export function noteSnapshotFailed(state: RaftState, nodeId: NodeId): void {
  const progress = state.progress.get(nodeId);
  if (progress === undefined || progress.state !== 'snapshot') return;
  progress.pendingSnapshot = 0;
  becomeProbe(progress);
  // Why: not at once again; the next heartbeat's answer lets it go on.
  progress.isProbeSent = true;
}

/** Offers again what may have been lost. */
export function repeatSnapshotOffers(state: RaftState): void {
  for (const [to, progress] of state.progress) {
    if (progress.state === 'snapshot') offerSnapshot(state, to, progress);
  }
}

/** If the node that is to lead next has everything, it is told to start. */
export function handOverIfReady(state: RaftState): void {
  const { transfer } = state;
  if (transfer === undefined) return;
  if (state.progress.get(transfer.to)?.matchIndex !== lastIndex(state.log)) return;
  send(state, transfer.to, { type: 'timeoutNow' });
}

function progressOf(state: RaftState, from: NodeId): Progress | undefined {
  const progress = state.role === 'leader' ? state.progress.get(from) : undefined;
  if (progress !== undefined) progress.isRecentlyActive = true;
  return progress;
}

/** Returns whether entries were sent, so that there may be more. */
function sendNext(state: RaftState, to: NodeId, progress: Progress): boolean {
  const { log, settings, commitIndex } = state;
  const window = { sizeBytes: settings.maxInFlightBytes, messages: settings.maxInFlightMessages };
  if (isPaused(progress, window)) return false;
  const { nextIndex } = progress;
  if (termAt(log, nextIndex - 1) === undefined) {
    // Why: a snapshot is much work, and a member that does not answer would not take it.
    if (progress.isRecentlyActive) offerSnapshot(state, to, progress);
    return false;
  }
  const entries = sliceLog(log, nextIndex, lastIndex(log) + 1, settings.maxMessageBytes);
  const last = entries.at(-1);
  const hasAll = last === undefined && progress.state === 'replicate';
  if (hasAll && !isCommitAwaited(progress, commitIndex)) return false;
  sendAppend(state, to, progress, entries);
  if (hasAll) return false;
  const sizeBytes = entries.reduce((sum, entry) => sum + entry.sizeBytes, 0);
  noteSent(progress, last?.index ?? nextIndex - 1, sizeBytes);
  return progress.state === 'replicate';
}

/** Why only then: who waits for nothing learns it from the next entries, or from the next heartbeat (ADR 0030). */
function isCommitAwaited({ sentCommit, awaitedIndex }: Progress, commitIndex: number): boolean {
  return sentCommit < commitIndex && sentCommit < awaitedIndex;
}

function sendEmpty(state: RaftState, to: NodeId, progress: Progress): void {
  if (termAt(state.log, progress.nextIndex - 1) !== undefined) sendAppend(state, to, progress, []);
  // The log was released beyond what is in flight: a snapshot is what comes next, and a full window must not hold it up.
  else becomeProbe(progress);
}

function sendAppend(
  state: RaftState,
  to: NodeId,
  progress: Progress,
  entries: ReturnType<typeof sliceLog>,
): void {
  const prevLogIndex = logIndex(progress.nextIndex - 1);
  const prevLogTerm = termAt(state.log, prevLogIndex);
  invariant(prevLogTerm !== undefined, `entry ${prevLogIndex} is not in the log`);
  const leaderCommit = state.commitIndex;
  progress.sentCommit = leaderCommit;
  send(state, to, { type: 'appendEntries', prevLogIndex, prevLogTerm, entries, leaderCommit });
}

function offerSnapshot(state: RaftState, to: NodeId, progress: Progress): void {
  const { snapshot } = state;
  invariant(snapshot !== undefined, 'entries were released that no snapshot holds');
  becomeSnapshot(progress, snapshot.index);
  send(state, to, { type: 'installSnapshot', snapshot });
}
