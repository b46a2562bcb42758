import { compareBytes, fromUtf8 } from '@holdfast/bytes';
import { KvError } from '../errors.ts';
import { NOTE_RANGE_END, NOTE_RANGE_START } from '../key-space.ts';
import type { IndexSnapshot, KvIndex } from '../kv-index.ts';
import type { ReaderPin } from '../reader-pins.ts';
import type { BaseLayer } from './image-base.ts';
import { ImageBase } from './image-base.ts';
import type { ImageFeed } from './image-feed.ts';
import type { JournalSource } from './image-journal.ts';
import { ImageJournal } from './image-journal.ts';
import type { ImageParts } from './image-parts.ts';
import type { IncomingFolder } from './incoming-folder.ts';
import { JOURNAL_FILE_IDS, openIncoming } from './incoming-folder.ts';
import type { IncomingLimits } from './incoming-writer.ts';
import { IncomingWriter } from './incoming-writer.ts';
import type { PreparedImage } from './install-image.ts';
import { discardPrepared, installImage, prepareImage } from './install-image.ts';
import type { ReceiveLimits } from './receive-image.ts';
import { ImageReceiver } from './receive-image.ts';

const MIB: number = 1024 * 1024;

/** All have defaults. */
export type IncomingSettings = Partial<IncomingLimits & ReceiveLimits>;

/** An image that is here as a whole, and that the store does not serve yet. */
export interface WholeImage {
  readonly index: number;
  readonly term: number;
}

/**
 * Another node's state on its way into this store. Nothing of it is seen, and nothing of the store's own is given up, before
 * `install`. `receive` may be cut off, by an error or the end of the process, and called again with any other
 * source: what is here already is not asked for again.
 *
 * While it is open, what the store has now stays where it is.
 */
export class IncomingImage {
  readonly #parts: ImageParts;
  readonly #limits: IncomingLimits & ReceiveLimits;
  readonly #snapshot: IndexSnapshot;
  readonly #pin: ReaderPin;
  /** The state that the snapshot shows. */
  readonly #since: number;
  #running: Promise<unknown> = Promise.resolve();
  #prepared: PreparedImage | undefined;
  #closed = false;

  constructor(parts: ImageParts, settings: IncomingSettings = {}) {
    this.#parts = parts;
    this.#limits = {
      checkpointSizeBytes: settings.checkpointSizeBytes ?? 8 * MIB,
      fileSizeBytes: settings.fileSizeBytes ?? 64 * MIB,
      windowSizeBytes: settings.windowSizeBytes ?? 8 * MIB,
      chunkSizeBytes: settings.chunkSizeBytes ?? MIB,
    };
    this.#snapshot = parts.engine.index.snapshot();
    this.#pin = parts.pins.acquire();
    this.#since = parts.engine.appliedIndex;
  }

  get isOpen(): boolean {
    return !this.#closed;
  }

  /** Index of the newest image of which something is here; 0 where there is none. A source must not be older. */
  async receivedIndex(): Promise<number> {
    return this.#run((folder) => folder.journals.at(-1)?.summary.header.index ?? 0);
  }

  /**
   * Receives what the feed's image has and this node has not. Durability: all of it when it resolves, and most of it
   * when it rejects: with KV_CORRUPTION where the feed is wrong, KV_INVALID_ARGUMENT where its image is older than what is
   * here, KV_NO_SPACE, KV_CLOSED, or what the feed rejects with.
   */
  async receive(feed: ImageFeed): Promise<WholeImage> {
    return this.#run((folder) => this.#receive(folder, feed));
  }

  /**
   * The notes of the newest image, by name: what its cluster remembers. Of a whole one only. KV_INVALID_ARGUMENT where it is gone:
   * the store has by itself overtaken it.
   */
  async readNotes(): Promise<ReadonlyMap<string, Uint8Array>> {
    return this.#run(async (folder) => {
      const walk = folder.journals.at(-1)?.source();
      if (walk === undefined) {
        throw new KvError('KV_INVALID_ARGUMENT', 'what was received is older than what is here');
      }
      const notes = new Map<string, Uint8Array>();
      try {
        await walk.seek(NOTE_RANGE_START);
        for (let { key } = walk; key !== undefined; { key } = walk) {
          if (compareBytes(key, NOTE_RANGE_END) >= 0) break;
          const { record } = walk;
          if (record.kind === 'inline') notes.set(fromUtf8(key.subarray(1)), record.value.slice());
          await walk.advance();
        }
        return notes;
      } finally {
        await walk.close();
      }
    });
  }

  /**
   * Does all of an install that can be done before: it takes as long as there are entries. False where no image is whole, or
   * the store's own state is as new.
   */
  async prepare(): Promise<boolean> {
    this.#prepared ??= await this.#run((folder) => prepareImage(this.#parts, folder));
    return this.#prepared !== undefined;
  }

  /**
   * Makes a received image the store's state, durably, and lets the log go on behind it. Nothing may be applied or
   * appended meanwhile. undefined where no image is whole, or the store's own state is as new. KV_NO_SPACE: nothing has changed,
   * and it may be called again.
   */
  async install(): Promise<WholeImage | undefined> {
    if (!(await this.prepare()) || this.#prepared === undefined) return undefined;
    const prepared = this.#prepared;
    // Safety: from here on the MANIFEST may list its files, whatever fails. What it does not list the next start removes.
    this.#prepared = undefined;
    const isInstalled = await installImage(this.#parts, prepared).catch((cause: unknown) => {
      if (cause instanceof KvError && cause.code === 'KV_NO_SPACE') this.#prepared = prepared;
      throw cause;
    });
    if (isInstalled) return { index: prepared.index, term: prepared.term };
    this.#prepared = prepared;
    return undefined;
  }

  /** What was received stays, for the next. Idempotent. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#running.catch(() => undefined);
    // What cannot be removed is left over: no MANIFEST lists it, and the next start removes it.
    if (this.#prepared !== undefined) {
      await discardPrepared(this.#parts, this.#prepared).catch(() => undefined);
    }
    this.#snapshot.release();
    this.#parts.pins.release(this.#pin);
  }

  /** One at a time. */
  #run<Result>(body: (folder: IncomingFolder) => Result | Promise<Result>): Promise<Result> {
    const done = this.#running
      .catch(() => undefined)
      .then(async () => {
        if (this.#closed) throw new KvError('KV_CLOSED', 'the transfer is over');
        const folder = await openIncoming(this.#parts);
        try {
          return await body(folder);
        } finally {
          await folder.close();
        }
      });
    this.#running = done;
    return done;
  }

  async #receive(folder: IncomingFolder, feed: ImageFeed): Promise<WholeImage> {
    const { env } = this.#parts;
    const newest = folder.journals.at(-1);
    const known = newest?.summary.header;
    const { index, term } = feed;
    if (index <= this.#since || index < (known?.index ?? 0)) {
      throw new KvError(
        'KV_INVALID_ARGUMENT',
        `the image of record ${index} is older than what is here`,
      );
    }
    const isSame = known?.index === index && known.term === term;
    if (isSame && newest?.summary.isComplete === true) return { index, term };
    const journal = isSame && newest !== undefined ? newest : await this.#begin(folder, feed);
    const older = folder.journals.filter((each) => each !== journal);
    const walks: JournalSource[] = [];
    const writer = new IncomingWriter(env, folder.directory, journal, this.#limits);
    try {
      const layers = this.#layers(older, walks);
      const base = await ImageBase.open(layers, journal.summary.last);
      const isStopped = (): boolean => this.#closed;
      const limits = this.#limits;
      await new ImageReceiver(env, { feed, base, writer, limits, isStopped }).run();
    } finally {
      await writer.close();
      for (const walk of walks) await walk.close();
      if (journal !== newest) await journal.close();
    }
    return { index, term };
  }

  /** A journal of a new image, with ids for its files that nobody else gets, not even after a restart. */
  async #begin(folder: IncomingFolder, { index, term }: ImageFeed): Promise<ImageJournal> {
    const { env, identity, engine, quiesced } = this.#parts;
    const kvIndex: KvIndex = engine.index;
    const firstFileId = await quiesced(() => kvIndex.reserveFileIds(JOURNAL_FILE_IDS));
    return ImageJournal.create(env, folder.directory, { identity, index, term, firstFileId });
  }

  /** Newer journals first: each knows the keys up to its last one, and the older ones what is behind. */
  #layers(older: readonly ImageJournal[], walks: JournalSource[]): BaseLayer[] {
    const layers: BaseLayer[] = [];
    for (const journal of older.toReversed()) {
      const { last, header, isComplete } = journal.summary;
      if (last === undefined && !isComplete) continue;
      const source = journal.source();
      walks.push(source);
      const upTo = isComplete ? undefined : last;
      layers.push({ source, upTo, since: header.index });
      if (upTo === undefined) return layers;
    }
    const source = this.#snapshot.source(false);
    return [...layers, { source, upTo: undefined, since: this.#since }];
  }
}
