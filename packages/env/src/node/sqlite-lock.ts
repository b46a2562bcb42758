/**
 * An exclusive lock that ends with its process, made of an open exclusive transaction of SQLite.
 *
 * Why SQLite: Node.js has no file locks of its own, and a file that holds a process id is wrong
 * after a crash or a reused id. SQLite takes the operating system's lock (fcntl, LockFileEx), which
 * the kernel drops however the process ends, and it counts connections within one process too,
 * which fcntl alone does not. The transaction writes nothing: the lock file stays empty.
 *
 * Safety: on Linux and macOS any other descriptor of the lock file that this process opens and
 * closes would drop the lock. Nothing but this file opens it.
 */
import type { DatabaseSync } from 'node:sqlite';
import type { FileLock } from '../files.ts';
import { FileError } from '../files.ts';

const SQLITE_BUSY = 5;
const SQLITE_CANTOPEN = 14;

/** FILE_LOCKED where it is held. Throws at once, never waits. */
export function takeSqliteLock(path: string): FileLock {
  const { DatabaseSync } = loadSqlite();
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { timeout: 0 });
    // The journal in memory: no second file appears beside the lock file.
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
  } catch (cause) {
    database?.close();
    throw lockError(path, cause);
  }
  const held = database;
  return {
    release: async () => {
      if (held.isOpen) held.close();
    },
  };
}

function lockError(path: string, cause: unknown): FileError {
  const code = cause instanceof Error && 'errcode' in cause ? cause.errcode : undefined;
  if (code === SQLITE_BUSY) {
    return new FileError('FILE_LOCKED', path, 'another process or handle holds the lock', {
      cause,
    });
  }
  if (code === SQLITE_CANTOPEN) {
    return new FileError('FILE_ACCESS_DENIED', path, 'the lock file cannot be opened', { cause });
  }
  return new FileError('FILE_IO', path, `lock failed with ${String(cause)}`, { cause });
}

/**
 * Loads node:sqlite without its ExperimentalWarning, which is of no use to the people who run the
 * program. Loading is synchronous, so no other code can meet the replaced function.
 */
function loadSqlite(): typeof import('node:sqlite') {
  const emitWarning = process.emitWarning;
  process.emitWarning = () => {};
  try {
    return process.getBuiltinModule('node:sqlite');
  } finally {
    process.emitWarning = emitWarning;
  }
}
