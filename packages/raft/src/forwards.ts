/** Proposals that a node passes on to its leader. A lost answer means that the fate is not known, not that it failed. */
import type { Command } from './entry.ts';
import type { ForwardReply } from './message.ts';
import { send } from './outbox.ts';
import type { RaftState } from './raft-state.ts';
import type { ForwardResult } from './refusals.ts';

export function forwardProposal(state: RaftState, command: Command): ForwardResult {
  const { leaderId, forwards } = state;
  if (leaderId === undefined) return { accepted: false, code: 'NOT_LEADER', leaderId };
  const requestId = forwards.nextId++;
  forwards.waiting.set(requestId, 0);
  send(state, leaderId, { type: 'forwardProposal', requestId, command });
  return { accepted: true, requestId };
}

export function handleForwardReply(state: RaftState, message: ForwardReply): void {
  const { requestId, outcome } = message;
  if (state.forwards.waiting.delete(requestId))
    state.forwardResults.push({ requestId, ...outcome });
}

export function voidForwards(state: RaftState): void {
  for (const requestId of state.forwards.waiting.keys()) {
    state.forwardResults.push({ requestId, accepted: false, code: 'LEADER_CHANGED' });
  }
  state.forwards.waiting.clear();
}

export function expireForwards(state: RaftState): void {
  const { waiting } = state.forwards;
  for (const [requestId, ticks] of waiting) {
    waiting.set(requestId, ticks + 1);
    if (ticks + 1 < state.settings.electionTimeoutTicks) continue;
    waiting.delete(requestId);
    state.forwardResults.push({ requestId, accepted: false, code: 'TIMED_OUT' });
  }
}
