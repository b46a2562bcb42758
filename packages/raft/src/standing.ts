/**
 * Whether a node is a member still. One that was taken out while it was away hears of it from nobody, since the members do not
 * speak to it: it asks (ADR 0039). How the question travels is not decided here.
 */
import { isVoter, membersOf } from './configuration.ts';
import type { NodeId } from './node-id.ts';
import { type LogPosition, lastIndex, lastTerm, termAt } from './raft-log.ts';
import { configurationsInForce, type RaftState } from './raft-state.ts';
import { becomeFollower } from './roles.ts';

export type Standing = 'none' | 'learner' | 'voter';

/**
 * What a node is whose log ends at `end`; undefined where that is not for this node to say. Safety: only who knows as much to be
 * committed as the other one has: then an entry that took that one in, if it has one, was looked at here too, or will never
 * be committed. That no such entry is newer than what is known here is the driver's to see to, by a read before.
 */
export function standingOf(state: RaftState, id: NodeId, end: LogPosition): Standing | undefined {
  const { log, commitIndex } = state;
  const committedTerm = termAt(log, commitIndex) ?? 0;
  const isBehind = committedTerm === end.term ? commitIndex < end.index : committedTerm < end.term;
  if (isBehind) return undefined;
  const inForce = configurationsInForce(state);
  if (inForce.some((configuration) => isVoter(configuration, id))) return 'voter';
  return inForce.some((one) => membersOf(one).includes(id)) ? 'learner' : 'none';
}

/**
 * A member has answered, when the log ended at `end`. Who is none stands for no election any more, until a leader speaks to
 * it: then it was taken in again. Safety: nothing else changes, so that a mistake costs a vote in no election of others.
 */
export function noteStanding(state: RaftState, end: LogPosition, standing: Standing): void {
  const { log, leaderId } = state;
  // Why: what was heard of since is newer.
  if (leaderId !== undefined) return;
  if (end.index !== lastIndex(log) || end.term !== lastTerm(log)) return;
  state.toldStanding = standing;
  if (standing === 'none') becomeFollower(state, state.term, undefined);
}
