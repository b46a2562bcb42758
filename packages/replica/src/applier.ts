/**
 * Applies committed entries in order. Safety: only what Raft hands out comes here, and that is committed and on the own
 * disk; nothing is answered before it is applied.
 */
import { invariant, type LogIndex, logIndex, type Term } from '@holdfast/bytes';
import type { ApplyOutcome, CommitterContext } from '@holdfast/kv';
import { KV_ENTRY_KIND, KvError } from '@holdfast/kv';
import type { Checkpoint, Entry } from '@holdfast/raft';
import type { Extent } from '@holdfast/wal';
import { applyNote } from './cluster-notes.ts';
import { CHECKPOINT_KIND, contentOf, recordOf } from './entry-format.ts';

/** Entries that are applied before the answers of those before them leave. */
const BATCH_ENTRIES = 256;

export interface ApplierOptions {
  readonly context: CommitterContext;
  /** A transaction was applied; nobody on this node may have asked for it. */
  readonly onOutcome: (head: Uint8Array, outcome: ApplyOutcome) => void;
  /** Entries of a later term than all before were reached. */
  readonly onTerm: (term: Term) => void;
  readonly onCheckpoint: (checkpoint: Checkpoint) => void;
  /** Exactly the entries up to here are applied, and the index is a multiple of `checkpointEntries`. */
  readonly onMilestone: (index: LogIndex) => void;
  readonly checkpointEntries: number;
  /** Everything up to here is applied. */
  readonly onApplied: (index: LogIndex) => void;
  readonly onFailure: (cause: unknown) => void;
}

/** An entry as the engine takes it. */
interface Applicable {
  readonly index: LogIndex;
  readonly term: Term;
  readonly kind: number;
  readonly head: Uint8Array;
  readonly body: Extent | undefined;
}

export class Applier {
  readonly #options: ApplierOptions;
  /** Where the log put the bodies of entries that are not applied yet. */
  readonly #bodies = new Map<number, { readonly term: Term; readonly body: Extent | undefined }>();
  #queue: Entry[] = [];
  #running: Promise<void> | undefined;
  #term = 0;
  #isStopped = false;

  constructor(options: ApplierOptions) {
    this.#options = options;
  }

  /** The log took the entry. Where one of its index was there before, that one was cut. */
  noteBody(entry: Entry, body: Extent | undefined): void {
    this.#bodies.set(entry.index, { term: entry.term, body });
  }

  push(entries: readonly Entry[]): void {
    if (this.#isStopped || entries.length === 0) return;
    this.#queue.push(...entries);
    this.#running ??= this.#run();
  }

  /** Resolves when all that was pushed is applied. */
  async whenIdle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  /** The state has come from elsewhere, up to an entry of this term: what follows it is applied next. */
  goOnBehind(term: Term): void {
    this.#bodies.clear();
    this.#noteTerm(term);
  }

  /** Takes nothing more; resolves when nothing is being applied. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    try {
      while (this.#queue.length > 0 && !this.#isStopped) {
        await this.#whenRoom();
        await this.#apply(this.#queue.splice(0, BATCH_ENTRIES));
      }
    } catch (cause) {
      this.#isStopped = true;
      this.#options.onFailure(cause);
    } finally {
      this.#running = undefined;
    }
  }

  /** Why here too: entries come whether this node's index keeps up or not. */
  async #whenRoom(): Promise<void> {
    try {
      await this.#options.context.whenRoom();
    } catch (cause) {
      // A full volume holds up nothing that is agreed on: what deletes is among it.
      if (!(cause instanceof KvError) || cause.code !== 'KV_NO_SPACE') throw cause;
    }
  }

  async #apply(entries: readonly Entry[]): Promise<void> {
    const { context, onApplied, onMilestone, checkpointEntries } = this.#options;
    let sizeBytes = 0;
    const run: Applicable[] = [];
    for (const record of await this.#records(entries)) {
      sizeBytes += record.head.length + (record.body?.length ?? 0);
      const isTransaction = record.kind === KV_ENTRY_KIND;
      if (!isTransaction || record.term !== this.#term) {
        await this.#applyTransactions(run.splice(0));
        this.#noteTerm(record.term);
      }
      if (isTransaction) run.push(record);
      else this.#applyOther(record);
      if (record.index % checkpointEntries !== 0) continue;
      await this.#applyTransactions(run.splice(0));
      onMilestone(record.index);
    }
    await this.#applyTransactions(run);
    const last = entries.at(-1);
    if (last !== undefined) onApplied(last.index);
    context.onApplied(sizeBytes);
  }

  async #applyTransactions(records: readonly Applicable[]): Promise<void> {
    if (records.length === 0) return;
    const outcomes = await this.#options.context.engine.applyBatch(records);
    const { onOutcome } = this.#options;
    for (let at = 0; at < outcomes.length; at++) {
      onOutcome((records[at] as Applicable).head, outcomes[at] as ApplyOutcome);
    }
  }

  #applyOther(record: Applicable): void {
    applyNote(this.#options.context.engine, record);
    const { kind, head } = record;
    if (kind !== CHECKPOINT_KIND) return;
    const content = contentOf({ kind, head, body: undefined, bodyCrc: undefined });
    if (content.type === 'checkpoint') this.#options.onCheckpoint(content.checkpoint);
  }

  #noteTerm(term: Term): void {
    if (term === this.#term) return;
    this.#term = term;
    this.#options.onTerm(term);
  }

  /** The records of entries: those that are not at hand are read from the log. */
  async #records(entries: readonly Entry[]): Promise<Applicable[]> {
    const records: Applicable[] = [];
    for (const entry of entries) {
      const known = this.#bodies.get(entry.index);
      this.#bodies.delete(entry.index);
      if (entry.content === undefined || known?.term !== entry.term) break;
      const { kind, head } = recordOf(entry.content, this.#options.context.bodyChecksum);
      records.push({ index: entry.index, term: entry.term, kind, head, body: known.body });
    }
    for (const entry of entries.slice(records.length)) this.#bodies.delete(entry.index);
    if (records.length < entries.length) await this.#readRest(entries, records);
    return records;
  }

  async #readRest(entries: readonly Entry[], records: Applicable[]): Promise<void> {
    const first = entries[records.length];
    const last = entries.at(-1);
    if (first === undefined || last === undefined) return;
    for await (const record of this.#options.context.wal.replay(first.index)) {
      const entry = entries[records.length];
      if (entry === undefined) break;
      invariant(
        record.index === entry.index && record.term === entry.term,
        `entry ${entry.index} of term ${entry.term} is committed, and the log has another`,
      );
      records.push({ ...record, index: logIndex(record.index) });
      if (record.index === last.index) break;
    }
    invariant(records.length === entries.length, `entry ${last.index} is not in the log`);
  }
}
