/**
 * The seam between a store and whatever makes its transactions lasting: the log of one node (`CommitPipeline`), or the
 * agreement of a cluster (`@holdfast/replica`). Everything else of a store is the same for both.
 */
import type { Checksums, LogIndex } from '@holdfast/bytes';
import type { Clock } from '@holdfast/env';
import type { Wal, WalIdentity, WalRecord } from '@holdfast/wal';
import type { KvError } from './errors.ts';
import type { ValueName } from './image/image-entry.ts';
import type { StoreImages } from './image/store-images.ts';
import type { KvEngine } from './kv-engine.ts';
import type { Transaction, TransactResult } from './kv-store.ts';

/** From a transaction to its answer. */
export interface Committer {
  /** Why nothing more is taken, if so. */
  readonly failure: KvError | undefined;
  /** Bytes of transactions that it holds in memory. */
  readonly waitingBytes: number;
  /** Submits a checked transaction. Its bytes are encoded or copied before this returns. */
  submit(transaction: Transaction): Promise<TransactResult>;
  /**
   * What a read waits for before it looks at this node's state: then that state holds everything that was committed
   * when the read began. Absent where it always does.
   */
  whenCurrent?(): Promise<void>;
  /**
   * Asked right before records are released: up to where that may be, at most `flushedIndex`. The tables hold,
   * durably, the effect of every record up to there.
   */
  releasable(flushedIndex: LogIndex): LogIndex;
  /** Asks other nodes for a value that is damaged here; undefined where none has it. Must not reject. */
  findElsewhere?(name: ValueName): Promise<Uint8Array | undefined>;
  /** Nothing more is answered but with `cause`: the log or the state machine has failed. */
  fail(cause: unknown): void;
  /** Resolves when all that was submitted is answered. */
  drain(): Promise<void>;
  /** Answers what was submitted, as far as that can be known. The engine is not touched after it. Idempotent. */
  close(): Promise<void>;
}

/** What a committer is given. It owns none of it. */
export interface CommitterContext extends Checksums {
  readonly wal: Wal;
  readonly engine: KvEngine;
  readonly clock: Pick<Clock, 'turn'>;
  /** The store's state for other nodes, and other nodes' states for it. */
  readonly images: StoreImages;
  /** Bytes of transactions that may wait for the log to take them; beyond it KV_BUSY. */
  readonly waitingSizeLimitBytes: number;
  /**
   * Resolves when writes may go on; undefined where they may at once. Throws or rejects with KV_NO_SPACE where the
   * volume has no room to flush the index.
   */
  readonly whenRoom: () => Promise<void> | undefined;
  /** To be called after each batch, with the bytes of its records. */
  readonly onApplied: (sizeBytes: number) => void;
  /** To be called when the log refused a batch for want of space. */
  readonly onNoSpace: () => void;
  /** To be called once, when nothing more can be answered. */
  readonly onFailure: ((error: KvError) => void) | undefined;
}

/** A folder that was opened: what was found in it was applied as far as it is committed. */
export interface OpenedFolder {
  readonly identity: WalIdentity;
  readonly wal: Wal;
  readonly engine: KvEngine;
}

/** How a store is made on a log that has more in it than transactions of its own. */
export interface StoreSeam {
  /** Whether a hash of the state is kept (`KvEngine.stateHash`). */
  readonly hashesState: boolean;
  /** The last record that is known to be committed: the start applies up to it. */
  committedIndex(wal: Wal): LogIndex;
  /** Applies a committed record that is no transaction, on the start: `KvEngine.skip` or `note`. */
  applyForeign(engine: KvEngine, record: WalRecord): void;
  /** Called once the folder is open; what it returns makes the committer. */
  prepare(folder: OpenedFolder): Promise<(context: CommitterContext) => Committer>;
}
