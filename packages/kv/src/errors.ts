import { type NewerBytesError, OperatingError } from '@holdfast/bytes';
import { findFileError } from '@holdfast/env';

export type KvErrorCode =
  | 'KV_KEY_TOO_LARGE'
  | 'KV_VALUE_TOO_LARGE'
  | 'KV_TRANSACTION_TOO_LARGE'
  | 'KV_INVALID_ARGUMENT'
  | 'KV_BUFFER_TOO_SMALL'
  | 'KV_VIEW_CLOSED'
  | 'KV_CLOSED'
  /** A session's sequence is older than the last one answered. */
  | 'KV_SESSION_STALE'
  /** Too much is waiting; try again later. */
  | 'KV_BUSY'
  /** No room on the volume for more data; deletes still work. */
  | 'KV_NO_SPACE'
  /** The log failed or the node cannot commit: the outcome of the call is unknown. */
  | 'KV_UNAVAILABLE'
  /** Bytes on disk are damaged. */
  | 'KV_CORRUPTION'
  /** A file was written by a newer Holdfast, or belongs to another node or cluster. */
  | 'KV_INCOMPATIBLE';

export interface KvErrorOptions {
  readonly cause?: unknown;
  readonly path?: string;
  readonly offset?: number;
}

/** The one error class of this package. */
export class KvError extends OperatingError {
  override readonly code: KvErrorCode;
  override readonly retryable: boolean;
  /** The damaged or foreign file, where one is known. */
  readonly path: string | undefined;
  /** Byte offset of the damage in `path`; 0 where the file as a whole is wrong. */
  readonly offset: number | undefined;

  constructor(code: KvErrorCode, message: string, options: KvErrorOptions = {}) {
    super(message, options);
    this.code = code;
    this.path = options.path;
    this.offset = options.offset;
    this.retryable = code === 'KV_BUSY' || code === 'KV_NO_SPACE' || code === 'KV_UNAVAILABLE';
  }
}

/** KV_INCOMPATIBLE: what a newer Holdfast wrote. It is whole, as far as this one can tell: nothing is to be repaired or copied. */
export class NewerFormatError extends KvError {
  constructor(message: string, options: KvErrorOptions = {}) {
    super('KV_INCOMPATIBLE', message, options);
  }
}

/** A committed record that only a newer Holdfast can apply. To pass over it would be to lose what was acknowledged. */
export function newerRecord(index: number, cause: NewerBytesError): NewerFormatError {
  return new NewerFormatError(`record ${index} of the log: ${cause.message}`, { cause });
}

/** KV_CORRUPTION of a file, with what to do about it. */
export function corruption(path: string, what: string, cause?: unknown, offset = 0): KvError {
  const advice =
    'Stop writing to this folder; restore it from a backup, or replace the node by a new one';
  return new KvError('KV_CORRUPTION', `${path}: ${what}. ${advice}.`, { cause, path, offset });
}

/** Whether the system keeps a file from this user. That says nothing of what is in it. */
export function isAccessDenied(error: unknown): boolean {
  return findFileError(error, 'FILE_ACCESS_DENIED') !== undefined;
}

/** Whether a failed reading says something of what is on the disk. */
export function isAboutContent(error: unknown): error is OperatingError {
  return error instanceof OperatingError && !isAccessDenied(error);
}
