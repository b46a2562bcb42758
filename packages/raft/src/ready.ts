import type { LogIndex, Term } from '@holdfast/bytes';
import type { Entry } from './entry.ts';
import type { Message, SnapshotMetadata } from './message.ts';
import type { NodeId } from './node-id.ts';
import type { ProposalRefusal, ReadRefusal } from './refusals.ts';
import type { HardState } from './settings.ts';

/**
 * Given back with `persisted`. `write` numbers requests that write something; one that only holds messages back has the
 * number of the last write before it. (index, term) is the end of the log as of this request.
 */
export interface PersistAck {
  readonly write: number;
  readonly index: LogIndex;
  readonly term: Term;
}

/**
 * What must become durable, in this order: the snapshot, `hardState`, the truncation, the entries. Requests are
 * carried out in the order in which they were given; a later one may be started before an earlier one is durable if
 * the disk keeps the order, which a log does.
 */
export interface PersistRequest {
  /** Replace log and state by this snapshot, whose data the driver holds. */
  readonly snapshot: SnapshotMetadata | undefined;
  /** Undefined where neither term nor vote has changed. */
  readonly hardState: HardState | undefined;
  /** Cut the log here first: this entry and all above it. */
  readonly truncateFrom: LogIndex | undefined;
  /** To append. May be empty: then `messages` only wait for the requests before this one. */
  readonly entries: readonly Entry[];
  /** Durability: may leave only when this request, and so every earlier one, is durable. */
  readonly messages: readonly Message[];
  /** To be given to `persisted` at that moment. */
  readonly ack: PersistAck;
}

/** The answer to a read: serve it when the state machine has applied `index`. */
export type ReadOutcome =
  | { readonly readId: number; readonly confirmed: true; readonly index: LogIndex }
  | { readonly readId: number; readonly confirmed: false; readonly code: ReadRefusal };

/** The answer to a forwarded proposal. A lost one is a proposal whose fate is not known. */
export type ForwardOutcome =
  | {
      readonly requestId: number;
      readonly accepted: true;
      readonly index: LogIndex;
      readonly term: Term;
    }
  | {
      readonly requestId: number;
      readonly accepted: false;
      /** The last two: the proposal may have been accepted or not, and may yet commit. */
      readonly code: ProposalRefusal | 'LEADER_CHANGED' | 'TIMED_OUT';
    };

/** Everything there is to do. What was handed out once is not handed out again. */
export interface Ready {
  /** May leave at once, and before `persist` is durable: so the leader's disk works beside the followers'. */
  readonly messages: readonly Message[];
  readonly persist: PersistRequest | undefined;
  /** To be applied, in order; durable here and committed. Report with `applied`. */
  readonly committed: readonly Entry[];
  readonly readResults: readonly ReadOutcome[];
  readonly forwardResults: readonly ForwardOutcome[];
  /** Fetch this snapshot, from any peer, then call `restoreSnapshot`. */
  readonly snapshotOffer:
    | { readonly from: NodeId; readonly snapshot: SnapshotMetadata }
    | undefined;
}
