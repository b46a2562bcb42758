import { constants } from 'node:os';
import { FileError, type FileErrorCode } from '../files.ts';

// Why ENOTDIR is FILE_NOT_FOUND: where a parent is a file, there is nothing of that name.
const CODE_OF_ERRNO: ReadonlyMap<string, FileErrorCode> = new Map([
  ['ENOENT', 'FILE_NOT_FOUND'],
  ['ENOTDIR', 'FILE_NOT_FOUND'],
  ['EEXIST', 'FILE_EXISTS'],
  ['ENOSPC', 'NO_SPACE'],
  ['EDQUOT', 'NO_SPACE'],
  ['EACCES', 'FILE_ACCESS_DENIED'],
  ['EPERM', 'FILE_ACCESS_DENIED'],
  ['EROFS', 'FILE_ACCESS_DENIED'],
]);

/**
 * The `errno` name of a system error, or undefined where `cause` is not one.
 *
 * Why by number: Node.js names only what libuv knows, and EDQUOT is not among it ("Unknown system error -122").
 */
export function errnoOf(cause: unknown): string | undefined {
  if (!(cause instanceof Error) || !('code' in cause)) return undefined;
  if ('errno' in cause && cause.errno === -constants.errno.EDQUOT) return 'EDQUOT';
  return typeof cause.code === 'string' ? cause.code : undefined;
}

/** The typed error for a system error; the errno stays in the message, the original is the cause. */
export function fileErrorOf(operation: string, path: string, cause: unknown): FileError {
  if (cause instanceof FileError) return cause;
  const errno = errnoOf(cause);
  const known = errno === undefined ? undefined : CODE_OF_ERRNO.get(errno);
  // What Linux says where there are none, on FAT and exFAT; no permission helps.
  const hasNoLinks = operation === 'link' && errno === 'EPERM';
  // Safety: a full volume at a write changes nothing and is waited out. At a sync it leaves unknown what is on disk, as
  // every failed sync does, and nobody may go on from it.
  const code = known === undefined || operation === 'sync' || hasNoLinks ? 'FILE_IO' : known;
  const reason = `${errno ?? String(cause)}${hasNoLinks ? ', the file system takes no hard links' : ''}`;
  return new FileError(code, path, `${operation} failed with ${reason}`, { cause });
}
