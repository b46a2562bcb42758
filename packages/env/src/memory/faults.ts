import { FileError, type FileErrorCode } from '../files.ts';

/** Operations that change the disk or make changes durable: these are numbered. */
export type ChangeKind =
  | 'create'
  | 'write'
  | 'writeSynced'
  | 'sync'
  | 'truncate'
  | 'rename'
  | 'link'
  | 'unlink'
  | 'makeDirectory'
  | 'removeDirectory'
  | 'syncDirectory';

/** Operations that change nothing: faults see them, numbers do not. */
export type ReadKind = 'open' | 'read' | 'list' | 'stat' | 'lock' | 'freeBytes';

export interface DiskOperation {
  /** From 1, in the order of the calls. Of a read: the number of the change before it. */
  readonly number: number;
  readonly kind: ChangeKind | ReadKind;
  readonly path: string;
  /** The new name of `rename` and `link`. */
  readonly to?: string;
  /** Of reads and writes: byte offset in the file. */
  readonly position?: number;
  /** Of reads and writes: bytes. Of `truncate`: the new size. */
  readonly length?: number;
}

/** What a caller says about an operation. */
export type OperationDetails = Omit<DiskOperation, 'number' | 'kind'>;

export interface Fault {
  /** Which operations fail. Called once for each operation, in order. */
  readonly when: (operation: DiskOperation) => boolean;
  readonly code: Exclude<FileErrorCode, 'FILE_LOCKED'>;
  /** How many operations fail before the fault is gone. Default 1. */
  readonly times?: number;
  /**
   * How much of a failing write reaches the cache or the medium all the same. `part`: a prefix of whole
   * sectors, chosen by the seed. Default `part`.
   */
  readonly applied?: 'none' | 'part' | 'all';
}

/** Where a write lands instead, from byte 0 of its file; undefined where it lands where it should. */
export type Misdirection = (operation: DiskOperation) => number | undefined;

/**
 * The disk was stopped by `stopAt`: as far as the caller can know, the operation never completed. The
 * process that used the disk is to be thought of as dead.
 */
export class DiskStoppedError extends FileError {
  readonly stopped = true;

  constructor(path: string) {
    super('FILE_IO', path, 'the disk was stopped');
  }
}

const RECORD_LIMIT = 65_536;

/** Numbers and records operations, and decides which fail and where the disk stops. */
export class FaultPlan {
  #number = 0;
  #stopAt = Number.POSITIVE_INFINITY;
  #stopped = false;
  #operations: DiskOperation[] = [];
  readonly #faults = new Set<{ readonly fault: Fault; left: number }>();
  #misdirection: Misdirection | undefined;

  /** Changes so far. */
  get count(): number {
    return this.#number;
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  /** The changes, oldest first; the newest 65,536 at least are kept. */
  operations(): readonly DiskOperation[] {
    return this.#operations;
  }

  stopAt(number: number): void {
    this.#stopAt = number;
  }

  stop(): void {
    this.#stopped = true;
  }

  add(fault: Fault): { cancel(): void } {
    const entry = { fault, left: fault.times ?? 1 };
    this.#faults.add(entry);
    return {
      cancel: () => {
        this.#faults.delete(entry);
      },
    };
  }

  /** Numbers and records a change; stops the disk where it is the one to stop at. */
  begin(kind: ChangeKind, details: OperationDetails): DiskOperation {
    if (this.#stopped) throw new DiskStoppedError(details.path);
    this.#number += 1;
    const operation: DiskOperation = { number: this.#number, kind, ...details };
    if (this.#operations.length >= 2 * RECORD_LIMIT) {
      this.#operations = this.#operations.slice(RECORD_LIMIT);
    }
    this.#operations.push(operation);
    if (this.#number >= this.#stopAt) this.#stopped = true;
    return operation;
  }

  beginRead(kind: ReadKind, details: OperationDetails): DiskOperation {
    if (this.#stopped) throw new DiskStoppedError(details.path);
    return { number: this.#number, kind, ...details };
  }

  misdirect(misdirection: Misdirection | undefined): void {
    this.#misdirection = misdirection;
  }

  /** Of a write at a position: where it lands. A misdirection is used up by one. */
  landingOf(operation: DiskOperation, position: number): number {
    const landing = this.#misdirection?.(operation);
    if (landing === undefined) return position;
    this.#misdirection = undefined;
    return landing;
  }

  faultOf(operation: DiskOperation): Fault | undefined {
    for (const entry of this.#faults) {
      if (!entry.fault.when(operation)) continue;
      entry.left -= 1;
      if (entry.left <= 0) this.#faults.delete(entry);
      return entry.fault;
    }
    return undefined;
  }
}

export function faultError(fault: Fault, operation: DiskOperation): FileError {
  const message = `${operation.kind} failed by a planned fault`;
  return new FileError(fault.code, operation.path, message);
}
