import { OperatingError } from '@holdfast/bytes';

export type WalErrorCode =
  /** A record's head and body are larger than the limit. Split it. */
  | 'WAL_RECORD_TOO_LARGE'
  /** The index given is not the next one. */
  | 'WAL_INDEX_GAP'
  /** Too much is waiting for the disk; wait for `whenWritable`. */
  | 'WAL_BUSY'
  | 'WAL_CLOSED'
  /** A write or sync failed: nothing more is acknowledged; restart the process. */
  | 'WAL_POISONED'
  /** The volume has no room for the batch. Nothing of it was acknowledged; the log can go on. */
  | 'WAL_NO_SPACE'
  /** Another process has the log open. */
  | 'WAL_LOCKED'
  /** Acknowledged bytes are damaged. */
  | 'WAL_CORRUPTION'
  /** A file belongs to another node or cluster. */
  | 'WAL_FOREIGN_SEGMENT'
  /** A file was written by a newer Holdfast. */
  | 'WAL_NEWER_FORMAT'
  /** The index is not (or no longer) in the log. */
  | 'WAL_INDEX_NOT_FOUND'
  /** The suffix reaches below the committed index. */
  | 'WAL_TRUNCATES_COMMITTED';

/** The one error class of this package; the message says what to do. */
export class WalError extends OperatingError {
  override readonly code: WalErrorCode;
  override readonly retryable: boolean;
  /** The damaged or foreign file, where there is one. */
  readonly path: string | undefined;
  /** Byte offset of the damage in `path`. */
  readonly offset: number | undefined;

  constructor(
    code: WalErrorCode,
    message: string,
    options: { readonly cause?: unknown; readonly path?: string; readonly offset?: number } = {},
  ) {
    super(message, options);
    this.code = code;
    this.retryable = code === 'WAL_BUSY' || code === 'WAL_NO_SPACE';
    this.path = options.path;
    this.offset = options.offset;
  }
}
