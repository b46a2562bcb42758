import { WalError } from '@holdfast/wal';
import { KvError, NewerFormatError } from './errors.ts';

/** What a failed read of the log means to a reader of the store. */
export function readError(cause: unknown): unknown {
  if (!(cause instanceof WalError)) return cause;
  if (cause.code === 'WAL_CORRUPTION') {
    return new KvError('KV_CORRUPTION', cause.message, { cause, ...placeOf(cause) });
  }
  if (cause.code === 'WAL_CLOSED')
    return new KvError('KV_CLOSED', 'the store is closed', { cause });
  return new KvError('KV_UNAVAILABLE', `the log cannot be read: ${cause.message}`, { cause });
}

/** What a failed append or sync means to the caller of a transaction. */
export function writeError(cause: unknown): KvError {
  if (cause instanceof KvError) return cause;
  if (cause instanceof WalError) {
    if (cause.code === 'WAL_NO_SPACE') {
      return new KvError(
        'KV_NO_SPACE',
        'the volume is full; delete something, or give it more room',
        { cause },
      );
    }
    if (cause.code === 'WAL_CLOSED')
      return new KvError('KV_CLOSED', 'the store is closed', { cause });
  }
  const message = cause instanceof Error ? cause.message : String(cause);
  return new KvError(
    'KV_UNAVAILABLE',
    `the log failed, so the outcome is unknown; restart the node: ${message}`,
    { cause },
  );
}

/** What a log that cannot be opened means: the codes of the store for those of the log. */
export function openError(cause: unknown): unknown {
  if (!(cause instanceof WalError)) return cause;
  switch (cause.code) {
    case 'WAL_CORRUPTION':
      return new KvError('KV_CORRUPTION', cause.message, { cause, ...placeOf(cause) });
    case 'WAL_FOREIGN_SEGMENT':
      return new KvError('KV_INCOMPATIBLE', cause.message, { cause, ...placeOf(cause) });
    case 'WAL_NEWER_FORMAT':
      return new NewerFormatError(cause.message, { cause, ...placeOf(cause) });
    default:
      return new KvError('KV_UNAVAILABLE', cause.message, { cause });
  }
}

function placeOf({ path, offset }: WalError): { readonly path?: string; readonly offset?: number } {
  return { ...(path === undefined ? {} : { path }), ...(offset === undefined ? {} : { offset }) };
}
