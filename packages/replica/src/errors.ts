import { OperatingError } from '@holdfast/bytes';

export type ReplicaErrorCode =
  /** A peer sent bytes that are no message of this version. Its link is closed. */
  | 'REPLICA_MALFORMED_MESSAGE'
  /** The change of members cannot be made now, or not at all; the message says why. */
  | 'REPLICA_CHANGE_REFUSED'
  /** A node that was removed by hand asks to be taken in: whoever did that adds it again. */
  | 'REPLICA_REMOVED'
  /** Another node's state could not be had from a member; the next is asked. */
  | 'REPLICA_TRANSFER_FAILED'
  /** Only the leader does this; `leaderId` of the status names it. */
  | 'REPLICA_NOT_LEADER';

/** What goes wrong in a cluster beside the store's own errors. */
export class ReplicaError extends OperatingError {
  override readonly code: ReplicaErrorCode;
  override readonly retryable: boolean;

  constructor(
    code: ReplicaErrorCode,
    message: string,
    options: { readonly cause?: unknown; readonly retryable?: boolean } = {},
  ) {
    super(message, options);
    this.code = code;
    this.retryable = options.retryable ?? false;
  }
}
