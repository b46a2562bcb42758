/** Handing leadership to another voter (3.10 of the thesis). No proposal is taken meanwhile. */

import { mostAdvancedVoter } from './commit.ts';
import type { NodeId } from './node-id.ts';
import { send } from './outbox.ts';
import { currentConfiguration, type RaftState } from './raft-state.ts';
import type { TransferRefusal, TransferResult } from './refusals.ts';
import { handOverIfReady } from './replication.ts';

export function transferLeadership(state: RaftState, to: NodeId): TransferResult {
  const code = refusalOf(state, to);
  if (code !== undefined) return { accepted: false, code, leaderId: state.leaderId };
  state.transfer = { to, elapsed: 0 };
  handOverIfReady(state);
  return { accepted: true };
}

/** Asks the voter that has most of the log to start an election: this leader cannot go on. */
export function handOverNow(state: RaftState): void {
  const to = mostAdvancedVoter(state);
  if (to !== undefined) send(state, to, { type: 'timeoutNow' });
}

/** One more tick of a transfer. One that takes an election timeout is given up, and proposals are taken again. */
export function tickTransfer(state: RaftState): void {
  if (state.transfer === undefined) return;
  state.transfer.elapsed++;
  if (state.transfer.elapsed >= state.settings.electionTimeoutTicks) state.transfer = undefined;
}

function refusalOf(state: RaftState, to: NodeId): TransferRefusal | undefined {
  if (state.role !== 'leader') return 'NOT_LEADER';
  if (state.transfer !== undefined) return 'TRANSFERRING';
  if (to === state.settings.nodeId) return 'ALREADY_LEADER';
  return currentConfiguration(state).voters.includes(to) ? undefined : 'NOT_VOTER';
}
