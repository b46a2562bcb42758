/**
 * Carries out what Raft wants to be durable, on the wal, in the order of ADR 0017: hard state, cut, entries; each
 * request after the one before it; and says so in that order.
 *
 * Durability: hard state is synced before the first byte of what follows it is handed to the log, so the log never holds
 * an entry of a term that the state does not know. Entries of several requests may be in flight at once; the log keeps
 * their order. A full volume is waited out: what the log took back is appended again.
 */
import { type BodyChecksum, invariant, type LogIndex, logIndex, type Term } from '@holdfast/bytes';
import type { Clock } from '@holdfast/env';
import { KvError } from '@holdfast/kv';
import type { Entry, PersistRequest } from '@holdfast/raft';
import type { Extent, Wal } from '@holdfast/wal';
import { WalError } from '@holdfast/wal';
import { recordOf } from './entry-format.ts';

/** Between two tries on a full volume. */
const NO_SPACE_RETRY_MS = 200;

export interface PersistQueueOptions {
  readonly wal: Wal;
  readonly clock: Clock;
  readonly bodyChecksum: BodyChecksum;
  /** The entry was handed to the log; its body is there from now on, and durable when the request is. */
  readonly onAppended: (entry: Entry, body: Extent | undefined) => void;
  /**
   * The request and all before it are durable. `isVoid`: a later request has cut the end of the log that this one knew, and
   * only what is left of it is durable: its messages promise what is not so, and must not leave.
   */
  readonly onDurable: (request: PersistRequest, isVoid: boolean) => void;
  /** Switches log and state to the snapshot. KV_NO_SPACE: nothing has changed, and it is called again. */
  readonly install: (request: PersistRequest) => Promise<void>;
  readonly onNoSpace: () => void;
  /** The disk has failed: nothing more becomes durable. */
  readonly onFailure: (cause: unknown) => void;
}

/** A request on its way. */
interface Write {
  readonly request: PersistRequest;
  readonly startedMs: number;
  isInstalled: boolean;
  isStateSaved: boolean;
  /** Resolves when what is left of it is on disk; undefined before it was handed to the log. */
  durable: Promise<void> | undefined;
  /** The end of the log as of this request, less what later ones have cut off. */
  keptIndex: LogIndex;
}

export class PersistQueue {
  readonly #options: PersistQueueOptions;
  /** Not yet handed to the log. */
  #waiting: Write[] = [];
  /** Handed to the log, and not yet known to be durable; oldest first. */
  #issued: Write[] = [];
  #issuing: Promise<void> | undefined;
  #isIssuing = false;
  #settling: Promise<void> | undefined;
  #isStopped = false;

  constructor(options: PersistQueueOptions) {
    this.#options = options;
  }

  /** Milliseconds since the oldest request that is not durable; 0 where all are. */
  get oldestAgeMs(): number {
    const oldest = this.#issued[0] ?? this.#waiting[0];
    return oldest === undefined ? 0 : this.#options.clock.monotonicMs() - oldest.startedMs;
  }

  submit(request: PersistRequest): void {
    if (this.#isStopped) return;
    const startedMs = this.#options.clock.monotonicMs();
    const begun = { isInstalled: false, isStateSaved: false, durable: undefined };
    this.#waiting.push({ request, startedMs, ...begun, keptIndex: request.ack.index });
    this.#startIssuing();
  }

  /** Takes nothing more; resolves when nothing of it runs any more. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#issuing;
    await this.#settling;
  }

  /** Runs as far as it can within this turn. */
  #startIssuing(): void {
    if (this.#isIssuing) return;
    this.#isIssuing = true;
    this.#issuing = this.#issueAll();
  }

  async #issueAll(): Promise<void> {
    try {
      for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
        if (this.#isStopped) return;
        const isIssued = await this.#issue(next);
        // The log took earlier ones back, and who waits for them is about to hear of it and to put them first.
        if (!isIssued) await this.#settling;
        if (!isIssued || this.#waiting[0] !== next) continue;
        this.#waiting.shift();
        this.#issued.push(next);
        this.#settling ??= this.#settleAll();
      }
    } catch (cause) {
      this.#fail(cause);
    } finally {
      // In the turn in which the loop ends: what is submitted after it begins another.
      this.#isIssuing = false;
    }
  }

  /** Hands the write to the log. False where there was no room; then all of it is to be done again. */
  async #issue(write: Write): Promise<boolean> {
    const { wal } = this.#options;
    const { snapshot, hardState, truncateFrom, entries } = write.request;
    if (snapshot !== undefined && !write.isInstalled) {
      await this.#settling;
      if (!this.#isNext(write)) return false;
      if (!(await this.#hasRoom(() => this.#options.install(write.request)))) return false;
      write.isInstalled = true;
    }
    if (hardState !== undefined && !write.isStateSaved) {
      if (!(await this.#hasRoom(() => wal.saveHardState(hardState)))) return false;
      write.isStateSaved = true;
    }
    if (!this.#isNext(write)) return false;
    let durable: Promise<void> | undefined;
    if (truncateFrom !== undefined) {
      this.#noteCut(truncateFrom);
      durable = observed(wal.truncateSuffix(truncateFrom));
    }
    for (const entry of entries) {
      // What was taken back is appended again; what was not is there.
      if (entry.index <= wal.lastIndex) continue;
      while (!this.#append(entry)) {
        const { lastIndex } = wal;
        const lastTerm = wal.termAt(lastIndex);
        if (!(await this.#hasRoom(() => wal.whenWritable()))) return false;
        if (this.#isStopped || this.#waiting[0] !== write) return false;
        if (!endsWith(wal, lastIndex, lastTerm)) return false;
      }
    }
    const last = entries.at(-1);
    if (last !== undefined) {
      const written = observed(wal.whenDurable(last.index));
      durable = durable === undefined ? written : observed(durable.then(() => written));
    }
    write.durable = durable ?? Promise.resolve();
    return true;
  }

  /**
   * Whether the log ends with what was written before this.
   *
   * Safety: else it has taken that back, and it is to be written again first. At its place now, this would pass for it, and
   * it would be promised.
   */
  #isNext(write: Write): boolean {
    const before = this.#issued.at(-1)?.request.ack;
    const isWhole = before === undefined || endsWith(this.#options.wal, before.index, before.term);
    return this.#waiting[0] === write && isWhole;
  }

  /**
   * The log is about to be cut. Safety: the log forgets at once what it has not begun to write, and what stands before the cut
   * may not be durable yet, nor ever find room: who is cut waits for that.
   */
  #noteCut(from: LogIndex): void {
    const before = logIndex(from - 1);
    const durable = observed(this.#options.wal.whenDurable(before));
    for (const write of this.#issued) {
      if (write.keptIndex < from) continue;
      write.keptIndex = before;
      write.durable = durable;
    }
  }

  /** False where the log takes nothing now. */
  #append(entry: Entry): boolean {
    const { wal, bodyChecksum, onAppended } = this.#options;
    invariant(entry.content !== undefined, `entry ${entry.index} is to be written without content`);
    const { kind, head, body = [], bodyCrc } = recordOf(entry.content, bodyChecksum);
    const { index, term } = entry;
    try {
      const appended = wal.append({ term, kind, head, body, bodyCrc, index });
      onAppended(entry, appended.body);
      return true;
    } catch (cause) {
      if (cause instanceof WalError && cause.code === 'WAL_BUSY') return false;
      throw cause;
    }
  }

  async #settleAll(): Promise<void> {
    try {
      for (let first = this.#issued[0]; first !== undefined; first = this.#issued[0]) {
        const { durable } = first;
        const outcome = await outcomeOf(durable);
        if (this.#isStopped) return;
        if (first.durable !== durable) continue;
        if (outcome === 'noSpace') {
          this.#options.onNoSpace();
          await this.#options.clock.sleep(NO_SPACE_RETRY_MS);
          for (const write of this.#issued) write.keptIndex = write.request.ack.index;
          this.#waiting.unshift(...this.#issued.splice(0));
          this.#startIssuing();
          return;
        }
        this.#issued.shift();
        const isVoid = outcome === 'cut' || first.keptIndex < first.request.ack.index;
        this.#options.onDurable(first.request, isVoid);
      }
    } catch (cause) {
      this.#fail(cause);
    } finally {
      // In the turn in which the loop ends: what is issued after it begins another.
      this.#settling = undefined;
    }
  }

  /** Runs what needs room on the volume; false, after a while, where there was none. */
  async #hasRoom(action: () => Promise<void>): Promise<boolean> {
    const outcome = await outcomeOf(action());
    if (outcome !== 'noSpace') return true;
    this.#options.onNoSpace();
    await this.#options.clock.sleep(NO_SPACE_RETRY_MS);
    return false;
  }

  #fail(cause: unknown): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#options.onFailure(cause);
  }
}

/** Safety: an entry of this index and term has the same before it, wherever it is. Source: Raft, section 5.3. */
function endsWith(wal: Wal, index: LogIndex, term: Term | undefined): boolean {
  return wal.lastIndex === index && wal.termAt(index) === term;
}

/** `cut`: the records were truncated before they were durable. Throws what neither is nor a lack of room. */
async function outcomeOf(write: Promise<void> | undefined): Promise<'done' | 'cut' | 'noSpace'> {
  try {
    await write;
    return 'done';
  } catch (cause) {
    if (cause instanceof WalError && cause.code === 'WAL_NO_SPACE') return 'noSpace';
    if (cause instanceof KvError && cause.code === 'KV_NO_SPACE') return 'noSpace';
    if (cause instanceof WalError && cause.code === 'WAL_INDEX_NOT_FOUND') return 'cut';
    throw cause;
  }
}

/** It is looked at when it is its turn; until then its failure is no unhandled one. */
function observed(promise: Promise<void>): Promise<void> {
  promise.catch(() => undefined);
  return promise;
}
