import { OperatingError } from '@holdfast/bytes';
import type { Threads } from './threads.ts';

/**
 * What a file holds after a power cut is decided here, so the port names it exactly:
 *
 * - `write` and `truncate` are volatile until `sync` (of the same file, by any handle) returns.
 *   Until then a crash may keep any subset of their sectors, in any order, or garble them.
 * - `writeSynced` is durable when it returns, and volatile while it runs.
 * - `create`, `rename`, `link` and `unlink` are volatile until `syncDirectory` of the folder returns.
 * - Bytes of other sectors than those written are never touched, and synced sectors never change.
 *
 * Every call may fail with a `FileError`. After a failed `sync` or `writeSynced` nothing is known about
 * what is durable: the caller must stop writing to the file, and never repeat the sync (Linux marks
 * the pages clean; the next sync would return without having written them).
 */
export interface Files {
  /**
   * Opens a file. `create` makes a new one and fails with FILE_EXISTS where there is one; `write` and
   * `read` need one (FILE_NOT_FOUND). A handle opened with `create` or `write` may also read.
   */
  open(path: string, mode: 'read' | 'write' | 'create', options?: OpenOptions): Promise<FileHandle>;
  /** Replaces `to` if it is there. */
  rename(from: string, to: string): Promise<void>;
  /** A second name for the same file; FILE_EXISTS where `to` is there. */
  link(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  /** Makes the folder and its parents; no error where it is there. */
  makeDirectory(path: string): Promise<void>;
  /** Removes an empty folder. */
  removeDirectory(path: string): Promise<void>;
  /** Names in the folder, sorted, without `.` and `..`; FILE_NOT_FOUND where there is no such folder. */
  list(path: string): Promise<string[]>;
  /** undefined where there is no such file. */
  stat(path: string): Promise<FileStat | undefined>;
  /**
   * Makes the folder's entries durable. A no-op where the platform has no such thing (Windows). Where it rejects, nobody knows which
   * of them are: so NO_SPACE, which says that nothing has changed, is FILE_IO here too.
   */
  syncDirectory(path: string): Promise<void>;
  /**
   * Takes an exclusive lock that the operating system gives back when the process ends, however it
   * ends. FILE_LOCKED where another holder, in this process or another, has it. Creates the file.
   */
  lock(path: string): Promise<FileLock>;
  /** Bytes that this process may still write on the volume of the folder. */
  freeBytes(path: string): Promise<number>;
  /**
   * A zeroed buffer whose address and use direct I/O accepts; `sizeBytes` is a multiple of 4096.
   * Not shared memory. It is freed by the garbage collector.
   */
  allocate(sizeBytes: number): Uint8Array;
  /**
   * Threads that see these very files. Not there where another thread cannot see them (files in memory, a view
   * of files): then whoever has long work does it in slices. Why here and not in `Env`: an environment
   * with other files must not come with threads that write to these.
   */
  readonly threads?: Threads;
}

export interface OpenOptions {
  /**
   * A promise of the caller: every `writeSynced` has position, length and buffer aligned to 4096 bytes
   * (a buffer of `allocate`). The implementation may then bypass the page cache. Default false.
   *
   * 'bulk': `write` is aligned too, and bypasses the page cache as well; for much that one `sync` makes durable.
   */
  readonly direct?: boolean | 'bulk';
  /** Permissions of a file that `create` makes. Default 0o644. */
  readonly mode?: number;
}

export interface FileStat {
  readonly sizeBytes: number;
  readonly kind: 'file' | 'directory';
  /** Modification time, milliseconds since 1970. */
  readonly modifiedMs: number;
}

export interface FileHandle {
  readonly path: string;
  /**
   * Whether `writeSynced` bypasses the page cache: then what it failed to write is not read back afterwards as if it were on
   * the disk. Never true of a handle that was opened without `direct`.
   */
  readonly direct: boolean;
  /** Fills `target` from `position`; returns how many bytes there were (fewer only at the end). */
  read(target: Uint8Array, position: number): Promise<number>;
  /**
   * As `read`, done when it returns: it holds up the thread for as long as the device takes, so it is for bytes
   * that are likely in the page cache. undefined where an implementation has no such thing.
   */
  readNow?(target: Uint8Array, position: number): number;
  /** Writes all of `source`, growing the file as needed. Volatile. `source` is not kept. */
  write(source: Uint8Array, position: number): Promise<void>;
  /** Writes all of `source` and makes it, and a size that it needs, durable. */
  writeSynced(source: Uint8Array, position: number): Promise<void>;
  /**
   * Makes every earlier write and truncate of the file durable. Where it rejects, nobody knows what of them is: that
   * is FILE_IO, never NO_SPACE, and the file cannot be gone on with.
   */
  sync(): Promise<void>;
  /** Sets the size; new bytes read as zero. Volatile. */
  truncate(sizeBytes: number): Promise<void>;
  sizeBytes(): Promise<number>;
  /** Idempotent. Makes nothing durable. */
  close(): Promise<void>;
}

export interface FileLock {
  /** Idempotent. */
  release(): Promise<void>;
}

export type FileErrorCode =
  | 'FILE_NOT_FOUND'
  | 'FILE_EXISTS'
  | 'FILE_LOCKED'
  | 'NO_SPACE'
  | 'FILE_ACCESS_DENIED'
  | 'FILE_IO';

/** What a call of `Files` or `FileHandle` rejects with. `path` and the operation are in the message too. */
export class FileError extends OperatingError {
  override readonly code: FileErrorCode;
  readonly path: string;

  constructor(code: FileErrorCode, path: string, message: string, options?: { cause?: unknown }) {
    super(`${message}: ${path}`, options);
    this.code = code;
    this.path = path;
  }
}

/** The `FileError` with this code that an error is, or has among its causes; undefined where there is none. */
export function findFileError(error: unknown, code: FileErrorCode): FileError | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof FileError && cause.code === code) return cause;
  }
  return undefined;
}
