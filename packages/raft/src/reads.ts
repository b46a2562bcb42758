/**
 * Linearizable reads without a log entry (section 8 of the paper, 6.4 of the thesis). The leader notes its commit
 * index, proves by a round of heartbeats that it still leads, and then the read may be served by whoever has applied
 * that index.
 *
 * Safety: (1) a leader does not know what is committed before an entry of its own term is, so reads wait for that;
 * (2) every broadcast has a number of its own, so an answer to an earlier one proves nothing about a later read;
 * (3) ids of reads are never used twice; (4) when the leader or the term changes, everything waiting is void.
 */

import type { ReadIndexReply, ReadIndexRequest } from './message.ts';
import type { NodeId } from './node-id.ts';
import { send } from './outbox.ts';
import { quorumValue } from './quorum.ts';
import { currentConfiguration, type PendingRead, type RaftState } from './raft-state.ts';
import type { ReadRefusal, ReadResult } from './refusals.ts';

export function requestRead(state: RaftState): ReadResult {
  const { role, leaderId, reads, settings } = state;
  if (leaderId === undefined) return { accepted: false, code: 'NOT_LEADER', leaderId };
  if (pendingCount(state) >= settings.maxPendingReads) {
    return { accepted: false, code: 'TOO_MANY_READS', leaderId };
  }
  const readId = reads.nextId++;
  if (role === 'leader') {
    reads.waiting.push({ from: settings.nodeId, readId });
  } else {
    reads.forwarded.set(readId, 0);
    send(state, leaderId, { type: 'readIndexRequest', readId });
  }
  return { accepted: true, readId };
}

export function handleReadIndexRequest(state: RaftState, message: ReadIndexRequest): void {
  const { from, readId } = message;
  const refusal = refusalFor(state);
  if (refusal === undefined) state.reads.waiting.push({ from, readId });
  else refuse(state, { from, readId }, refusal);
}

export function handleReadIndexReply(state: RaftState, message: ReadIndexReply): void {
  const { readId, outcome, from } = message;
  if (from !== state.leaderId || !state.reads.forwarded.delete(readId)) return;
  state.readResults.push({ readId, ...outcome });
}

/** Begins one round for everything that waits, if the leader may read yet. */
export function startReadRound(state: RaftState): void {
  const { reads, role, commitIndex, ownTermStart } = state;
  if (role !== 'leader' || reads.waiting.length === 0 || commitIndex < ownTermStart) return;
  broadcastHeartbeat(state);
  reads.confirming.push({ round: reads.round, index: commitIndex, reads: reads.waiting });
  reads.waiting = [];
  confirmReads(state);
}

export function broadcastHeartbeat(state: RaftState): void {
  state.reads.round++;
  for (const [to, progress] of state.progress) {
    if (to === state.settings.nodeId) continue;
    const leaderCommit = Math.min(
      progress.matchIndex,
      state.commitIndex,
    ) as typeof state.commitIndex;
    progress.sentCommit = Math.max(progress.sentCommit, leaderCommit);
    send(state, to, { type: 'heartbeat', leaderCommit, readRound: state.reads.round });
  }
}

/** Answers the reads whose round a majority has confirmed. */
export function confirmReads(state: RaftState): void {
  const { reads, settings } = state;
  const confirmed = quorumValue(currentConfiguration(state), (id) =>
    id === settings.nodeId ? reads.round : (state.progress.get(id)?.ackedRound ?? 0),
  );
  while (reads.confirming[0] !== undefined && reads.confirming[0].round <= confirmed) {
    const { index, reads: answered } = reads.confirming[0];
    reads.confirming.shift();
    for (const { from, readId } of answered) {
      const outcome = { confirmed: true, index } as const;
      if (from === settings.nodeId) state.readResults.push({ readId, ...outcome });
      else send(state, from, { type: 'readIndexReply', readId, outcome });
      awaitCommit(state, from, index);
    }
  }
}

/** The heartbeat of the round told it of no more than it had acknowledged. */
function awaitCommit({ progress }: RaftState, from: NodeId, index: number): void {
  const reader = progress.get(from);
  if (reader !== undefined) reader.awaitedIndex = Math.max(reader.awaitedIndex, index);
}

/** Gives up every read: the leader or the term is about to change. */
export function voidReads(state: RaftState): void {
  const { reads } = state;
  const held = [...reads.confirming.flatMap((round) => round.reads), ...reads.waiting];
  reads.confirming = [];
  reads.waiting = [];
  for (const read of held) refuse(state, read, 'LEADER_CHANGED');
  for (const readId of reads.forwarded.keys()) {
    state.readResults.push({ readId, confirmed: false, code: 'LEADER_CHANGED' });
  }
  reads.forwarded.clear();
}

/** Gives up what the leader has not answered for an election timeout: a message was lost. */
export function expireReads(state: RaftState): void {
  const { forwarded } = state.reads;
  for (const [readId, ticks] of forwarded) {
    forwarded.set(readId, ticks + 1);
    if (ticks + 1 < state.settings.electionTimeoutTicks) continue;
    forwarded.delete(readId);
    state.readResults.push({ readId, confirmed: false, code: 'TIMED_OUT' });
  }
}

function refusalFor(state: RaftState): ReadRefusal | undefined {
  if (state.role !== 'leader') return 'NOT_LEADER';
  return pendingCount(state) >= state.settings.maxPendingReads ? 'TOO_MANY_READS' : undefined;
}

function refuse(state: RaftState, { from, readId }: PendingRead, code: ReadRefusal): void {
  const outcome = { confirmed: false, code } as const;
  if (from === state.settings.nodeId) state.readResults.push({ readId, ...outcome });
  else send(state, from, { type: 'readIndexReply', readId, outcome });
}

function pendingCount({ reads }: RaftState): number {
  const confirming = reads.confirming.reduce((sum, round) => sum + round.reads.length, 0);
  return reads.waiting.length + reads.forwarded.size + confirming;
}
