/** What a leader takes into its log, and what it refuses. */
import type { LogIndex, Term } from '@holdfast/bytes';
import {
  applyChanges,
  type Configuration,
  isJoint,
  type MembershipChange,
} from './configuration.ts';
import { type Command, contentSizeBytes, type EntryContent } from './entry.ts';
import { appendOwn } from './log-change.ts';
import type { ForwardProposal } from './message.ts';
import { send } from './outbox.ts';
import { lastIndex, sizeOfRange } from './raft-log.ts';
import { currentConfigurationRecord, type RaftState } from './raft-state.ts';
import type {
  MembershipRefusal,
  MembershipResult,
  ProposalRefusal,
  ProposeResult,
} from './refusals.ts';

export function propose(state: RaftState, command: Command): ProposeResult {
  return proposeContent(state, { type: 'command', command });
}

/** Puts the newest hash of the leader's own state into the log. Undefined where there is none yet. */
export function proposeCheckpoint(state: RaftState): ProposeResult | undefined {
  const checkpoint = state.stateHashes.at(-1);
  return checkpoint && proposeContent(state, { type: 'checkpoint', checkpoint });
}

export function handleForwardProposal(state: RaftState, message: ForwardProposal): void {
  const { from, requestId, command } = message;
  const result = propose(state, command);
  const progress = state.progress.get(from);
  if (result.accepted && progress !== undefined) progress.awaitedIndex = result.index;
  const outcome = result.accepted ? result : { accepted: false as const, code: result.code };
  send(state, from, { type: 'forwardReply', requestId, outcome });
}

/**
 * Changes who belongs to the cluster. A change of voters appends a joint configuration, which is left by itself once
 * it is committed. Learners come first: only a learner that has nearly everything becomes a voter.
 */
export function proposeMembership(
  state: RaftState,
  changes: readonly MembershipChange[],
): MembershipResult {
  const { index, configuration } = currentConfigurationRecord(state);
  const refusal = refusalOf(state, 0) ?? changeRefusalOf(state, index, configuration, changes);
  if (refusal !== undefined) return refused(state, refusal);
  const next = applyChanges(configuration, changes);
  if (typeof next === 'string') return refused(state, next);
  return accepted(appendOwn(state, { type: 'membership', configuration: next }));
}

function proposeContent(state: RaftState, content: EntryContent): ProposeResult {
  const refusal = refusalOf(state, contentSizeBytes(content));
  return refusal === undefined ? accepted(appendOwn(state, content)) : refused(state, refusal);
}

function refusalOf(state: RaftState, sizeBytes: number): ProposalRefusal | undefined {
  const { role, settings, transfer, uncommittedBytes } = state;
  if (role !== 'leader') return 'NOT_LEADER';
  if (transfer !== undefined) return 'TRANSFERRING';
  if (sizeBytes > settings.maxMessageBytes) return 'TOO_LARGE';
  const isOver = uncommittedBytes + sizeBytes > settings.maxUncommittedBytes;
  // Why the second condition: what is larger than the limit would never get in otherwise.
  return isOver && uncommittedBytes > 0 ? 'UNCOMMITTED_LIMIT' : undefined;
}

/** Safety: one change at a time, and the first only after an entry of the own term is committed (Ongaro, 2015). */
function changeRefusalOf(
  state: RaftState,
  lastChange: LogIndex,
  configuration: Configuration,
  changes: readonly MembershipChange[],
): MembershipRefusal | undefined {
  if (state.commitIndex < state.ownTermStart) return 'TERM_NOT_COMMITTED';
  if (lastChange > state.commitIndex || isJoint(configuration)) return 'CHANGE_IN_PROGRESS';
  const isBehind = changes.some(
    ({ type, nodeId }) =>
      type === 'promote' &&
      configuration.learners.includes(nodeId) &&
      !isNearlyWhole(state, nodeId),
  );
  return isBehind ? 'LEARNER_BEHIND' : undefined;
}

function isNearlyWhole(state: RaftState, nodeId: MembershipChange['nodeId']): boolean {
  const progress = state.progress.get(nodeId);
  if (progress?.state !== 'replicate' || !progress.isRecentlyActive) return false;
  const lacks = sizeOfRange(state.log, progress.matchIndex + 1, lastIndex(state.log) + 1);
  return lacks <= state.settings.promotionGapBytes;
}

function accepted({ index, term }: { readonly index: LogIndex; readonly term: Term }) {
  return { accepted: true, index, term } as const;
}

function refused<Code>(state: RaftState, code: Code) {
  return { accepted: false, code, leaderId: state.leaderId } as const;
}
