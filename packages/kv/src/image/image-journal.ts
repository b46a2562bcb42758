import { ByteReader, ByteWriter, compareBytes, invariant } from '@holdfast/bytes';
import type { Env, FileHandle } from '@holdfast/env';
import type { ExtentListing } from '../extent-format.ts';
import type { IndexRecord } from '../index-record.ts';
import type { IndexSource } from '../index-source.ts';
import type { JournalHeader, JournalStep, PlacedEntry } from './journal-codec.ts';
import {
  beginEntries,
  chainOf,
  decodeStep,
  encodeEnd,
  encodeHeader,
  encodePlacedEntry,
  encodeSealed,
  frameRecord,
  paddedSizeBytes,
  payloadSizeOf,
  RECORD_HEADER_SIZE_BYTES,
} from './journal-codec.ts';

/** What a journal says as a whole, found by reading it to its end. */
export interface JournalSummary {
  readonly header: JournalHeader;
  /** Entries in it. */
  readonly count: number;
  /** Key of the last entry; undefined where there is none. */
  readonly last: Uint8Array | undefined;
  readonly isComplete: boolean;
  readonly sealed: readonly ExtentListing[];
  /** Segments and extent files that its entries refer to. */
  readonly segmentIds: ReadonlySet<number>;
  /** Bytes of whole records; what follows was not acknowledged. */
  readonly validBytes: number;
  readonly chain: number;
}

function journalName(firstFileId: number): string {
  return `${firstFileId.toString().padStart(12, '0')}.journal`;
}

/** The first file id in a journal's name, or undefined where it is none. */
export function journalIdOf(fileName: string): number | undefined {
  const match = /^(\d{12,})\.journal$/.exec(fileName);
  return match === null ? undefined : Number(match[1]);
}

/**
 * What was received of an image, in key order, each entry with the place of its value: the progress that a restart goes on
 * from. Durability: what it says is on disk before it says so.
 */
export class ImageJournal {
  readonly #env: Env;
  readonly path: string;
  readonly #file: FileHandle;
  readonly #gathered = new ByteWriter(64 * 1024);
  #gatheredCount = 0;
  #gatheredLast: Uint8Array | undefined;
  #summary: JournalSummary;

  private constructor(env: Env, file: FileHandle, summary: JournalSummary) {
    this.#env = env;
    this.path = file.path;
    this.#file = file;
    this.#summary = summary;
    beginEntries(this.#gathered);
  }

  /** Durability: file and name are there when it resolves. */
  static async create(env: Env, directory: string, header: JournalHeader): Promise<ImageJournal> {
    const path = `${directory}/${journalName(header.firstFileId)}`;
    const file = await env.files.open(path, 'create');
    const journal = new ImageJournal(env, file, {
      header,
      count: 0,
      last: undefined,
      isComplete: false,
      sealed: [],
      segmentIds: new Set(),
      validBytes: 0,
      chain: 0,
    });
    await journal.#append(encodeHeader(header));
    await env.files.syncDirectory(directory);
    return journal;
  }

  /** undefined where not even its header is whole: then nothing in it was acknowledged. */
  static async open(env: Env, path: string): Promise<ImageJournal | undefined> {
    const summary = await summarize(env, path);
    if (summary === undefined) return undefined;
    const file = await env.files.open(path, 'write');
    // Safety: what is behind the last whole record is never taken for a part of what is written there now. The sync of that
    // makes the cut durable too.
    if ((await file.sizeBytes()) !== summary.validBytes) await file.truncate(summary.validBytes);
    return new ImageJournal(env, file, summary);
  }

  /** Index of the newest image of which something is in the folder; 0 where there is none. */
  static async newestIndex(env: Env, directory: string): Promise<number> {
    if ((await env.files.stat(directory)) === undefined) return 0;
    const names = await env.files.list(directory);
    let newest = 0;
    for (const name of names.filter((each) => journalIdOf(each) !== undefined)) {
      const steps = journalSteps(env, `${directory}/${name}`);
      const first = await steps.next();
      await steps.return(undefined);
      if (first.done === true || first.value.step.kind !== 'header') continue;
      newest = Math.max(newest, first.value.step.header.index);
    }
    return newest;
  }

  get summary(): JournalSummary {
    return this.#summary;
  }

  /** Bytes of entries that the next `save` writes. */
  get gatheredBytes(): number {
    return this.#gathered.length;
  }

  add(entry: PlacedEntry): void {
    encodePlacedEntry(this.#gathered, entry);
    this.#gatheredCount++;
    this.#gatheredLast = entry.key;
    if (entry.record.kind !== 'extent') return;
    (this.#summary.segmentIds as Set<number>).add(entry.record.extent.segmentId);
  }

  /** Durability: all entries so far are, when it resolves. Their values must be before. */
  async save(): Promise<void> {
    if (this.#gatheredCount === 0) return;
    await this.#append(this.#gathered.finish());
    const count = this.#summary.count + this.#gatheredCount;
    const last = this.#gatheredLast?.slice();
    this.#summary = { ...this.#summary, count, last };
    this.#gatheredCount = 0;
    beginEntries(this.#gathered);
  }

  /** An extent file is whole and durable. */
  async noteSealed(listing: ExtentListing): Promise<void> {
    invariant(this.#gatheredCount === 0, 'entries are saved before their file is sealed');
    await this.#append(encodeSealed(listing));
    this.#summary = { ...this.#summary, sealed: [...this.#summary.sealed, listing] };
  }

  /** The image is whole. */
  async noteEnd(): Promise<void> {
    invariant(this.#gatheredCount === 0, 'entries are saved before the end');
    await this.#append(encodeEnd());
    this.#summary = { ...this.#summary, isComplete: true };
  }

  /** The saved entries as a part of an index. Nothing may be saved meanwhile. */
  source(): JournalSource {
    return new JournalSource(this.#env, this.path);
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  async #append(payload: Uint8Array): Promise<void> {
    const { chain, validBytes } = this.#summary;
    const record = frameRecord(payload, chain, this.#env.crc32c);
    await this.#file.write(record, validBytes);
    await this.#file.sync();
    const crc = chainOf(payload, chain, this.#env.crc32c);
    this.#summary = { ...this.#summary, validBytes: validBytes + record.length, chain: crc };
  }
}

interface ReadStep {
  readonly step: JournalStep;
  /** Where the next record begins, and what it is chained to. */
  readonly end: number;
  readonly chain: number;
}

/** The whole records of a journal, as far as they follow each other. */
export async function* journalSteps(env: Env, path: string): AsyncGenerator<ReadStep> {
  const file = await env.files.open(path, 'read');
  try {
    const sizeBytes = await file.sizeBytes();
    let offset = 0;
    let chain = 0;
    const head = new Uint8Array(RECORD_HEADER_SIZE_BYTES);
    for (;;) {
      if ((await file.read(head, offset)) < head.length) return;
      const length = payloadSizeOf(head);
      if (length === undefined || offset + paddedSizeBytes(length) > sizeBytes) return;
      const rest = new Uint8Array(length + 4);
      await file.read(rest, offset + head.length);
      const payload = rest.subarray(0, length);
      const crc = chainOf(payload, chain, env.crc32c);
      if (new ByteReader(rest.subarray(length)).u32() !== crc) return;
      offset += paddedSizeBytes(length);
      chain = crc;
      yield { step: decodeStep(new ByteReader(payload)), end: offset, chain };
    }
  } finally {
    await file.close();
  }
}

/** undefined where there is no header that this Holdfast reads. */
async function summarize(env: Env, path: string): Promise<JournalSummary | undefined> {
  let header: JournalHeader | undefined;
  let count = 0;
  let last: Uint8Array | undefined;
  let isComplete = false;
  let validBytes = 0;
  let chain = 0;
  const sealed: ExtentListing[] = [];
  const segmentIds = new Set<number>();
  for await (const { step, end, chain: crc } of journalSteps(env, path)) {
    validBytes = end;
    chain = crc;
    if (step.kind === 'header') header = step.header;
    else if (step.kind === 'sealed') sealed.push(step.listing);
    else if (step.kind === 'end') isComplete = true;
    else {
      count += step.entries.length;
      last = step.entries.at(-1)?.key.slice();
      for (const { record } of step.entries) {
        if (record.kind === 'extent') segmentIds.add(record.extent.segmentId);
      }
    }
  }
  if (header === undefined) return undefined;
  return { header, count, last, isComplete, sealed, segmentIds, validBytes, chain };
}

/** Walks over what a journal had saved when the walk began, forwards. */
export class JournalSource implements IndexSource {
  readonly #steps: AsyncGenerator<ReadStep>;
  #entries: readonly PlacedEntry[] = [];
  #position = 0;
  #ended = false;

  constructor(env: Env, path: string) {
    this.#steps = journalSteps(env, path);
  }

  get key(): Uint8Array | undefined {
    return this.#entries[this.#position]?.key;
  }

  get record(): IndexRecord {
    return (this.#entries[this.#position] as PlacedEntry).record;
  }

  /** Only forwards. */
  async seek(key: Uint8Array | undefined): Promise<void> {
    if (this.key === undefined) await this.#load();
    for (;;) {
      const at = this.key;
      if (at === undefined || key === undefined || compareBytes(at, key) >= 0) return;
      const last = this.#entries.at(-1);
      // Whole records are passed over, most of a long journal.
      if (last !== undefined && compareBytes(last.key, key) < 0) await this.#load();
      else await this.advance();
    }
  }

  advance(): Promise<void> | undefined {
    this.#position++;
    return this.key === undefined && !this.#ended ? this.#load() : undefined;
  }

  async close(): Promise<void> {
    await this.#steps.return(undefined);
  }

  async #load(): Promise<void> {
    while (!this.#ended) {
      const { done, value } = await this.#steps.next();
      if (done === true) this.#ended = true;
      else if (value.step.kind === 'entries' && value.step.entries.length > 0) {
        this.#entries = value.step.entries;
        this.#position = 0;
        return;
      }
    }
    this.#entries = [];
    this.#position = 0;
  }
}
