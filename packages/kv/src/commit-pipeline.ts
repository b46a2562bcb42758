import type { LogIndex } from '@holdfast/bytes';
import { copyOfBytes, term } from '@holdfast/bytes';
import type { Extent } from '@holdfast/wal';
import { WalError } from '@holdfast/wal';
import type { Committer, CommitterContext } from './committer.ts';
import type { EncodedEntry } from './entry-codec.ts';
import { encodeEntry, KV_ENTRY_KIND } from './entry-codec.ts';
import { KvError } from './errors.ts';
import type { ApplyOutcome, Foresight } from './kv-engine.ts';
import type { Transaction, TransactResult } from './kv-store.ts';
import { Slab } from './slab.ts';
import { writeError } from './wal-failure.ts';

interface Caller {
  resolve(result: TransactResult): void;
  reject(error: unknown): void;
}

/** What is appended, or applied and answered, between two turns of the event loop: so many records, or bytes. */
const SLICE_RECORDS = 512;
const SLICE_BYTES: number = 1024 * 1024;
const SHARED_HEADS_BYTES: number = 64 * 1024;

/** Appended, and not yet applied. */
interface InFlight extends Caller {
  readonly index: number;
  readonly head: Uint8Array;
  readonly body: Extent | undefined;
  readonly sizeBytes: number;
}

/** Not yet taken by the log. Owns its bytes. */
interface Waiting extends Caller {
  readonly entry: EncodedEntry;
  readonly sizeBytes: number;
}

/**
 * From a transaction to its answer: append to the log, wait until it is durable, apply in log order, answer.
 *
 * Safety: nothing is applied before it is durable, so no reader sees what a crash can take back.
 */
export class CommitPipeline implements Committer {
  readonly #options: CommitterContext;
  readonly #term: ReturnType<typeof term>;
  /** Memory of small heads. Why not one for each: making and freeing it is a hundredth of a small put. */
  readonly #heads = new Slab(SHARED_HEADS_BYTES);
  #inFlight: InFlight[] = [];
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #applying: Promise<void> | undefined;
  #pumping: Promise<void> | undefined;
  #failure: KvError | undefined;

  constructor(options: CommitterContext) {
    this.#options = options;
    this.#term = options.wal.termAt(options.wal.lastIndex) ?? term(1);
  }

  /** Why nothing more is taken, if so. */
  get failure(): KvError | undefined {
    return this.#failure;
  }

  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  releasable(flushedIndex: LogIndex): LogIndex {
    return flushedIndex;
  }

  close(): Promise<void> {
    return this.drain();
  }

  /** Submits a checked transaction. Its bytes are encoded or copied before this returns. */
  submit(transaction: Transaction): Promise<TransactResult> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) throw this.#failure;
      const entry = encodeEntry(transaction, this.#options.bodyChecksum, this.#heads);
      const caller: Caller = { resolve, reject };
      const mustWait = this.#waiting.length > 0 || this.#options.whenRoom() !== undefined;
      if (mustWait || !this.#append(entry, caller)) this.#wait(entry, caller);
    });
  }

  /** Nothing more is answered but with `cause`: the log or the state machine has failed. */
  fail(cause: unknown): void {
    if (this.#failure === undefined) {
      this.#failure = writeError(cause);
      this.#options.onFailure?.(this.#failure);
    }
    for (const { reject } of [...this.#inFlight.splice(0), ...this.#waiting.splice(0)]) {
      reject(this.#failure);
    }
    this.#waitingBytes = 0;
  }

  /** Resolves when all that was submitted is answered. */
  async drain(): Promise<void> {
    while (this.#pumping !== undefined || this.#applying !== undefined) {
      await this.#pumping;
      await this.#applying;
    }
  }

  /** False where the log is busy. */
  #append(entry: EncodedEntry, caller: Caller): boolean {
    const { wal } = this.#options;
    const { head, body, bodyCrc } = entry;
    try {
      const request = { term: this.#term, kind: KV_ENTRY_KIND, head, body, bodyCrc };
      const { index, body: extent } = wal.append(request);
      this.#withdrawFrom(index);
      const sizeBytes = head.length + entry.bodySizeBytes;
      const { resolve, reject } = caller;
      this.#inFlight.push({ resolve, reject, index, head, body: extent, sizeBytes });
    } catch (cause) {
      if (cause instanceof WalError && cause.code === 'WAL_BUSY') return false;
      throw writeError(cause);
    }
    this.#applying ??= this.#applyAll();
    return true;
  }

  #wait(entry: EncodedEntry, caller: Caller): void {
    const sizeBytes = entry.head.length + entry.bodySizeBytes;
    if (this.#waitingBytes + sizeBytes > this.#options.waitingSizeLimitBytes) {
      throw new KvError('KV_BUSY', `${this.#waitingBytes} bytes wait for the log; try again later`);
    }
    const owned = { ...entry, body: entry.body.map(copyOfBytes) };
    this.#waiting.push({ ...caller, entry: owned, sizeBytes });
    this.#waitingBytes += sizeBytes;
    this.#pumping ??= this.#pump();
  }

  /** Hands what waits to the log as it takes it. Never rejects. */
  async #pump(): Promise<void> {
    try {
      while (this.#waiting.length > 0) {
        if (!(await this.#hasRoom())) continue;
        await this.#options.wal.whenWritable();
        this.#appendSlice();
        await this.#options.clock.turn();
      }
    } catch (cause) {
      this.fail(cause);
    } finally {
      this.#pumping = undefined;
    }
  }

  /** False where the volume has none; what waited is rejected then, and later ones may find some. */
  async #hasRoom(): Promise<boolean> {
    try {
      await this.#options.whenRoom();
      return true;
    } catch (cause) {
      if (!(cause instanceof KvError) || cause.code !== 'KV_NO_SPACE') throw cause;
      for (const { reject } of this.#waiting.splice(0)) reject(cause);
      this.#waitingBytes = 0;
      return false;
    }
  }

  /** Hands the next of what waits to the log, as far as it takes them. */
  #appendSlice(): void {
    let count = 0;
    let sizeBytes = 0;
    for (const next of this.#waiting) {
      try {
        if (!this.#append(next.entry, next)) break;
      } catch (cause) {
        next.reject(cause);
      }
      count++;
      sizeBytes += next.sizeBytes;
      if (count === SLICE_RECORDS || sizeBytes >= SLICE_BYTES) break;
    }
    // Why together: whatever is taken off the front of a long array moves all the rest.
    this.#waiting.splice(0, count);
    this.#waitingBytes -= sizeBytes;
  }

  /** Applies what is durable, slice by slice, until nothing is in flight. Never rejects. */
  async #applyAll(): Promise<void> {
    const { wal } = this.#options;
    try {
      for (let first = this.#inFlight[0]; first !== undefined; first = this.#inFlight[0]) {
        const durable = this.#isDurable(first);
        // What it fails with is seen to where it is awaited, once more.
        durable.catch(() => undefined);
        const foresight = await this.#foresee(first);
        if (await durable) await this.#applySlice(wal.durableIndex, foresight);
      }
    } catch (cause) {
      this.fail(cause);
    } finally {
      this.#applying = undefined;
    }
  }

  /** False where the log had no room, and took back all that was not durable. */
  async #isDurable(first: InFlight): Promise<boolean> {
    const { wal } = this.#options;
    // It was taken back before anybody waited for it.
    if (first.index > wal.lastIndex) {
      this.#options.onNoSpace();
      this.#withdrawFrom(wal.lastIndex + 1);
      return false;
    }
    try {
      await wal.whenDurable(first.index as typeof wal.lastIndex);
      return true;
    } catch (cause) {
      if (!(cause instanceof WalError) || cause.code !== 'WAL_NO_SPACE') throw cause;
      this.#options.onNoSpace();
      // Where `first` is not the head any more, `#withdrawFrom` has seen to the rest.
      if (this.#inFlight[0] === first) this.#withdrawFrom(wal.durableIndex + 1, cause);
      return false;
    }
  }

  /**
   * Uses the time that the log takes for what needs no durability: decoding, and reading what is known of the keys. After a
   * turn of the event loop, in which the log has begun to write. undefined where it did not come to it. Never rejects.
   */
  async #foresee(first: InFlight): Promise<Foresight | undefined> {
    const { wal, engine, clock } = this.#options;
    if (first.index <= wal.durableIndex) return undefined;
    await clock.turn();
    if (first.index <= wal.durableIndex || this.#inFlight[0] !== first) return undefined;
    try {
      return await engine.foresee(this.#inFlight.slice(0, SLICE_RECORDS));
    } catch {
      // Applying the records finds it too, and then it counts.
      return undefined;
    }
  }

  /** Applies the oldest of what is durable, one slice of it. */
  async #applySlice(durableIndex: number, foresight: Foresight | undefined): Promise<void> {
    let count = 0;
    let sizeBytes = 0;
    for (const record of this.#inFlight) {
      if (record.index > durableIndex || count === SLICE_RECORDS) break;
      sizeBytes += record.sizeBytes;
      count++;
    }
    const batch = this.#inFlight.splice(0, count);
    try {
      const outcomes = await this.#options.engine.applyBatch(batch, foresight);
      for (const [at, caller] of batch.entries()) answer(caller, outcomes[at] as ApplyOutcome);
    } catch (cause) {
      this.fail(cause);
      for (const { reject } of batch) reject(this.#failure);
    }
    this.#options.onApplied(sizeBytes);
  }

  /**
   * Rejects what is in flight at `index` and above. Why: a log that found no room takes everything that
   * is not durable back, and gives the same indexes again.
   */
  #withdrawFrom(index: number, cause?: WalError): void {
    const last = this.#inFlight.at(-1);
    if (last === undefined || last.index < index) return;
    const from = this.#inFlight.findIndex((record) => record.index >= index);
    const error = writeError(cause ?? new WalError('WAL_NO_SPACE', 'the log took the record back'));
    for (const { reject } of this.#inFlight.splice(from)) reject(error);
  }
}

function answer(caller: Caller, outcome: ApplyOutcome): void {
  if (!('stale' in outcome)) {
    caller.resolve(outcome);
    return;
  }
  caller.reject(
    new KvError(
      'KV_SESSION_STALE',
      `the session was answered up to sequence ${outcome.lastSequence} already`,
    ),
  );
}
