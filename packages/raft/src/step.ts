/** The entry of every message: first what its term means, then what it says. */
import { invariant } from '@holdfast/bytes';
import {
  handlePreVoteReply,
  handleRequestPreVote,
  handleRequestVote,
  handleVoteReply,
  isInLease,
  startTransferElection,
} from './election.ts';
import { handleAppendEntries, handleHeartbeat, handleInstallSnapshot } from './follower.ts';
import { handleForwardReply } from './forwards.ts';
import type { Message } from './message.ts';
import { send } from './outbox.ts';
import { handleForwardProposal } from './proposals.ts';
import type { RaftState } from './raft-state.ts';
import { handleReadIndexReply, handleReadIndexRequest } from './reads.ts';
import { handleAppendAccepted, handleAppendRejected, handleHeartbeatReply } from './replication.ts';
import { becomeFollower } from './roles.ts';

export function step(state: RaftState, message: Message): void {
  invariant(message.to === state.settings.nodeId, `a message for ${message.to} came here`);
  if (message.from === state.settings.nodeId) return;
  if (message.term > state.term && !meetHigherTerm(state, message)) return;
  if (message.term < state.term && !meetLowerTerm(state, message)) return;
  dispatch(state, message);
}

/** Section 5.1: a higher term makes a follower. Returns whether the message is to be looked at. */
function meetHigherTerm(state: RaftState, message: Message): boolean {
  switch (message.type) {
    case 'requestPreVote':
      return true;
    case 'preVoteReply':
      if (message.granted) return true;
      break;
    case 'requestVote':
      // Section 6: removed or cut-off servers must not disturb a cluster that has a leader.
      if (isInLease(state) && !message.isTransfer) return false;
      break;
    default:
      break;
  }
  becomeFollower(state, message.term, isFromLeader(message) ? message.from : undefined);
  return true;
}

/** Returns whether the message is to be looked at though its term is over. */
function meetLowerTerm(state: RaftState, message: Message): boolean {
  switch (message.type) {
    case 'requestPreVote':
    case 'preVoteReply':
      return true;
    case 'requestVote':
      send(state, message.from, { type: 'voteReply', granted: false });
      return false;
    case 'readIndexRequest':
    case 'forwardProposal':
    case 'appendEntries':
    case 'heartbeat':
    case 'installSnapshot':
      // Why: a node whose term ran ahead in a partition cannot follow, and a leader would never learn of it.
      send(state, message.from, { type: 'staleTerm' });
      return false;
    default:
      return false;
  }
}

function isFromLeader({ type }: Message): boolean {
  return type === 'appendEntries' || type === 'heartbeat' || type === 'installSnapshot';
}

function dispatch(state: RaftState, message: Message): void {
  switch (message.type) {
    case 'requestVote':
      return handleRequestVote(state, message);
    case 'requestPreVote':
      return handleRequestPreVote(state, message);
    case 'voteReply':
      return handleVoteReply(state, message);
    case 'preVoteReply':
      return handlePreVoteReply(state, message);
    case 'appendEntries':
      return handleAppendEntries(state, message);
    case 'appendAccepted':
      return handleAppendAccepted(state, message);
    case 'appendRejected':
      return handleAppendRejected(state, message);
    case 'heartbeat':
      return handleHeartbeat(state, message);
    case 'heartbeatReply':
      return handleHeartbeatReply(state, message);
    case 'installSnapshot':
      return handleInstallSnapshot(state, message);
    case 'timeoutNow':
      return startTransferElection(state);
    case 'staleTerm':
      return undefined;
    case 'forwardProposal':
      return handleForwardProposal(state, message);
    case 'forwardReply':
      return handleForwardReply(state, message);
    case 'readIndexRequest':
      return handleReadIndexRequest(state, message);
    case 'readIndexReply':
      return handleReadIndexReply(state, message);
  }
}
