/** Why a node does not do what it was asked. Ordinary answers, not errors: the caller waits, redirects or gives up. */
import type { LogIndex, Term } from '@holdfast/bytes';
import type { ChangeRefusal } from './configuration.ts';
import type { NodeId } from './node-id.ts';

export type ProposalRefusal =
  /** Ask `leaderId`, if it is known. */
  | 'NOT_LEADER'
  /** Too many bytes are proposed and not yet committed: back-pressure, try again later. */
  | 'UNCOMMITTED_LIMIT'
  /** Leadership is being handed to another node. */
  | 'TRANSFERRING'
  /** Larger than any message may be. */
  | 'TOO_LARGE';

export type MembershipRefusal =
  | ProposalRefusal
  | ChangeRefusal
  /** The previous change is not committed, or its joint configuration is not left yet. */
  | 'CHANGE_IN_PROGRESS'
  /** The leader has not committed an entry of its own term yet. */
  | 'TERM_NOT_COMMITTED'
  /** The learner lags too far behind, or was not heard of lately. */
  | 'LEARNER_BEHIND';

export type ReadRefusal =
  | 'NOT_LEADER'
  /** The leader or the term changed before the index was confirmed. Ask again: with a new id. */
  | 'LEADER_CHANGED'
  /** Too many reads are waiting. */
  | 'TOO_MANY_READS'
  /** No answer from the leader within an election timeout. Ask again: with a new id. */
  | 'TIMED_OUT';

export type TransferRefusal = 'NOT_LEADER' | 'NOT_VOTER' | 'TRANSFERRING' | 'ALREADY_LEADER';

export interface Refused<Code> {
  readonly accepted: false;
  readonly code: Code;
  /** The leader as far as this node knows. */
  readonly leaderId: NodeId | undefined;
}

/** `accepted` says where the entry stands in the log. It is committed when that index is, with that term. */
export type ProposeResult =
  | { readonly accepted: true; readonly index: LogIndex; readonly term: Term }
  | Refused<ProposalRefusal>;

export type MembershipResult =
  | { readonly accepted: true; readonly index: LogIndex; readonly term: Term }
  | Refused<MembershipRefusal>;

/** The answer to an accepted read comes in `Ready.readResults` under this id. */
export type ReadResult =
  | { readonly accepted: true; readonly readId: number }
  | Refused<ReadRefusal>;

/** The answer to a forwarded proposal comes in `Ready.forwardResults` under this id. */
export type ForwardResult =
  | { readonly accepted: true; readonly requestId: number }
  | Refused<'NOT_LEADER'>;

export type TransferResult = { readonly accepted: true } | Refused<TransferRefusal>;
