/**
 * The KvStore port: ordered byte keys with conditional, atomic, durable transactions. It is kept
 * small, so that other engines can implement it; `@holdfast/kv/testing` has the contract they must pass.
 */

/** What every read returns. */
export interface KvEntry {
  readonly key: Uint8Array;
  /** Revision of the transaction that wrote the value. Grows with each write of the key. */
  readonly version: number;
  /** Bytes of the value. */
  readonly valueSizeBytes: number;
}

export interface KvEntryWithValue extends KvEntry {
  /** The caller may keep it, and must not change it. */
  readonly value: Uint8Array;
}

export interface ScanOptions {
  /** First key, inclusive. Default: the first there is. */
  readonly from?: Uint8Array;
  /** End, exclusive. Default: after the last there is. */
  readonly to?: Uint8Array;
  /** From the end of the range down. Default false. */
  readonly reverse?: boolean;
  /** At most so many entries; at least 1. */
  readonly limit: number;
  /** Whether values are read too. Default true. */
  readonly values?: boolean;
}

export interface ScanPage<Entry extends KvEntry = KvEntryWithValue> {
  readonly entries: readonly Entry[];
  /** Whether the range holds more than was returned. */
  readonly more: boolean;
}

/** Reads. On a store: the newest committed state. On a view: the state at one revision. */
export interface KvReader {
  get(key: Uint8Array): Promise<KvEntryWithValue | undefined>;
  /**
   * As `get`, but the value is put at the start of `target`, without another copy; it must be at least
   * as long as the value (KV_BUFFER_TOO_SMALL).
   */
  getInto(key: Uint8Array, target: Uint8Array): Promise<KvEntry | undefined>;
  scan(options: ScanOptions & { readonly values: false }): Promise<ScanPage<KvEntry>>;
  scan(options: ScanOptions): Promise<ScanPage>;
  /**
   * A cursor over the range at one revision, for walks that skip: `next()` gives entries in order, `seek`
   * jumps forward (backward when reversed) to the first key at or past `key`, at the cost of one look-up.
   */
  cursor(options: Omit<ScanOptions, 'limit'>): Promise<KvCursor>;
}

export interface KvCursor {
  /** The next entry; its value is read only if the cursor was opened with values. */
  next(): Promise<KvEntryWithValue | undefined>;
  seek(key: Uint8Array): void;
  /** Gives back what the cursor pins. Idempotent. */
  close(): void;
}

/** The state at one revision, however much is written meanwhile. */
export interface ReadView extends KvReader {
  readonly revision: number;
  /** Gives back what the view pins. Idempotent. Reads after it reject with KV_VIEW_CLOSED. */
  close(): void;
}

export type Condition =
  | { readonly kind: 'exists'; readonly key: Uint8Array }
  | { readonly kind: 'absent'; readonly key: Uint8Array }
  | { readonly kind: 'versionEquals'; readonly key: Uint8Array; readonly version: number };

export type Operation =
  | {
      readonly kind: 'put';
      readonly key: Uint8Array;
      readonly value: Uint8Array;
      /**
       * The value's CRC-32, where the caller has it. Default: computed, where it is needed.
       *
       * Safety: it is stored as it is. A wrong one is damage, as if the device had garbled the value.
       */
      readonly crc?: number | undefined;
    }
  | { readonly kind: 'delete'; readonly key: Uint8Array }
  | {
      /**
       * Puts the value under a new key: `key`, ten bytes, `suffix`. The ten bytes are the transaction's revision and the
       * position among its appends, big-endian, decided in apply: so the keys that follow a prefix are in the order of
       * their commits, whoever wrote them. The value is of 1024 bytes at most.
       */
      readonly kind: 'append';
      readonly key: Uint8Array;
      readonly suffix: Uint8Array;
      readonly value: Uint8Array;
    };

export interface Transaction {
  /** All must hold, or nothing is done. Decided in apply, on every node alike. Default none. */
  readonly conditions?: readonly Condition[];
  /** Done in order, all or nothing. Deleting a key that is not there is no error. */
  readonly operations: readonly Operation[];
  /**
   * Names the transaction, so that a retry after a lost answer gets the first answer and has no
   * second effect. A client's sequences grow by any step.
   */
  readonly session?: { readonly clientId: string; readonly sequence: number };
}

export type TransactResult =
  | { readonly committed: true; readonly revision: number }
  | {
      readonly committed: false;
      readonly revision: number;
      /** Position in `conditions` of the first that did not hold. */
      readonly failedCondition: number;
    };

/**
 * Reads of the state that this process has at hand. It may be older than what is committed, by as much as this node is
 * behind or cut off: so it shows what was, and proves nothing. It never goes back, and holds every transaction and read
 * that this process was answered. Use: for what a transaction's conditions ask anew, and after `whenCurrent`.
 */
export interface LocalReads extends KvReader {
  readView(options?: { readonly maxAgeMs?: number }): Promise<ReadView>;
  /** Resolves when these reads see everything that was committed when it was called. KV_UNAVAILABLE. */
  whenCurrent(): Promise<void>;
}

export interface KvStore extends KvReader {
  /**
   * Resolves after the transaction is durable (on a majority, in a cluster) and applied: every later read
   * sees it. The bytes may be changed by the caller once the call has returned its promise.
   * Concurrent transactions of one process are applied in call order, but a later one may succeed
   * where an earlier one failed, and in a cluster one whose way to the leader is lost comes behind later ones: what must
   * hold first is awaited first.
   */
  transact(transaction: Transaction): Promise<TransactResult>;
  /** A view of the newest committed state. Must be closed; it ends by itself after `maxAgeMs`. */
  readView(options?: { readonly maxAgeMs?: number }): Promise<ReadView>;
  /** In a cluster: reads without a question to the others. undefined where no read asks one. */
  readonly local?: LocalReads | undefined;
  /** Largest value, in bytes. */
  readonly valueSizeLimitBytes: number;
  close(): Promise<void>;
}
