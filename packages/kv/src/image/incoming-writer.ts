import { invariant } from '@holdfast/bytes';
import type { Env } from '@holdfast/env';
import type { Extent } from '@holdfast/wal';
import { KvError } from '../errors.ts';
import { extentsFileName } from '../extent-format.ts';
import { ExtentWriter } from '../extent-writer.ts';
import type { ValueName } from './image-entry.ts';
import type { ImageJournal } from './image-journal.ts';
import { JOURNAL_FILE_IDS } from './incoming-folder.ts';
import type { PlacedEntry } from './journal-codec.ts';

export interface IncomingLimits {
  /** Values and entries received after which progress is saved: at most so much is received again after a crash. */
  readonly checkpointSizeBytes: number;
  /** Values in one file. */
  readonly fileSizeBytes: number;
}

/** Entries in memory before they are saved, whatever their values. */
const JOURNAL_RECORD_BYTES: number = 1024 * 1024;

/** Writes received values into extent files and then, when they are durable, the entries that refer to them. */
export class IncomingWriter {
  readonly #env: Env;
  readonly #directory: string;
  readonly #journal: ImageJournal;
  readonly #limits: IncomingLimits;
  #writer: ExtentWriter | undefined;
  #nextFileId: number;
  #unsavedBytes = 0;

  constructor(env: Env, directory: string, journal: ImageJournal, limits: IncomingLimits) {
    this.#env = env;
    this.#directory = directory;
    this.#journal = journal;
    this.#limits = limits;
    const { header, sealed } = journal.summary;
    const used = sealed.map(({ fileId }) => fileId + 1);
    this.#nextFileId = Math.max(header.firstFileId, ...used);
  }

  /** Takes a value that is as its name says; gives its place. */
  async addValue(name: ValueName, value: Uint8Array): Promise<Extent> {
    const matches = value.length === name.length && this.#env.bodyChecksum.holds([value], name.crc);
    // Safety: no byte of another node is stored before it was checked against the checksum of its entry.
    if (!matches) throw new KvError('KV_CORRUPTION', 'a value came with other bytes than named');
    if (this.#writer?.isFull === true || this.#isFileFull()) await this.#seal();
    this.#writer ??= await this.#create();
    this.#unsavedBytes += value.length;
    return this.#writer.add(name.key, value, name.crc);
  }

  /** Takes the next entry in key order; its value was added, or was there. */
  addEntry(entry: PlacedEntry): void {
    this.#journal.add(entry);
  }

  /** Saves progress where it is time. */
  async saveIfDue(): Promise<void> {
    const { gatheredBytes } = this.#journal;
    const isDue =
      gatheredBytes >= JOURNAL_RECORD_BYTES ||
      this.#unsavedBytes + gatheredBytes >= this.#limits.checkpointSizeBytes;
    if (isDue) await this.save();
  }

  /** Durability: values first, then the entries that say where they are. */
  async save(): Promise<void> {
    await this.#writer?.sync();
    await this.#journal.save();
    this.#unsavedBytes = 0;
  }

  /** All there is was added. */
  async finish(): Promise<void> {
    await this.save();
    await this.#seal();
    await this.#journal.noteEnd();
  }

  /** Leaves the file that is being written as it is. */
  async close(): Promise<void> {
    await this.#writer?.close();
    this.#writer = undefined;
  }

  #isFileFull(): boolean {
    return (this.#writer?.sizeBytes ?? 0) >= this.#limits.fileSizeBytes;
  }

  async #create(): Promise<ExtentWriter> {
    const fileId = this.#nextFileId++;
    const { firstFileId } = this.#journal.summary.header;
    invariant(fileId < firstFileId + JOURNAL_FILE_IDS, 'an image has no more files than ids');
    const path = `${this.#directory}/${extentsFileName(fileId)}`;
    const writer = await ExtentWriter.create(this.#env, path, fileId);
    await this.#env.files.syncDirectory(this.#directory);
    return writer;
  }

  async #seal(): Promise<void> {
    const writer = this.#writer;
    if (writer === undefined) return;
    await this.save();
    const listing = await writer.finish();
    await this.#journal.noteSealed(listing);
    await this.close();
  }
}
