import type { Message } from './message.ts';
import type { NodeId } from './node-id.ts';
import type { RaftState } from './raft-state.ts';

type Bare<M extends Message> = M extends Message ? Omit<M, 'from' | 'to' | 'term'> : never;
/** A message without its envelope. */
export type MessageBody = Bare<Message>;

/**
 * Sends a message of the current term that promises nothing. Durability: a term that is not on disk yet is not
 * shown to anybody, so that a node never meets its own past.
 */
export function send(state: RaftState, to: NodeId, body: MessageBody): void {
  const queue = state.term === state.disk.persistedTerm ? state.outbox : state.afterPersist;
  queue.push(envelop(state, to, body));
}

/**
 * Sends a message that promises something which must survive a crash: a vote, entries, one's own candidacy. It leaves
 * when everything up to now is durable.
 *
 * Why a request for votes promises something: the votes are for the log as it is now. A candidate that forgot its
 * term and its last entries in a crash could win its term again, with a shorter log, by votes that come late.
 */
export function sendWhenDurable(state: RaftState, to: NodeId, body: MessageBody): void {
  state.afterPersist.push(envelop(state, to, body));
}

/** For pre-votes, which carry another term than the sender's and bind nobody. */
export function sendAtTerm(
  state: RaftState,
  to: NodeId,
  messageTerm: Message['term'],
  body: MessageBody,
): void {
  state.outbox.push({ from: state.settings.nodeId, to, term: messageTerm, ...body } as Message);
}

function envelop(state: RaftState, to: NodeId, body: MessageBody): Message {
  return { from: state.settings.nodeId, to, term: state.term, ...body } as Message;
}
