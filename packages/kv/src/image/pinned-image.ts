import { ByteWriter, compareBytes } from '@holdfast/bytes';
import type { Env } from '@holdfast/env';
import { KvError } from '../errors.ts';
import type { LiveRecord } from '../index-record.ts';
import { liveRecord } from '../index-record.ts';
import type { IndexSource } from '../index-source.ts';
import type { IndexSnapshot } from '../kv-index.ts';
import type { ReaderPin, ReaderPins } from '../reader-pins.ts';
import type { ReadExtent } from '../value-reader.ts';
import { readError } from '../wal-failure.ts';
import type { ImageEntry, ValueName } from './image-entry.ts';
import { encodeImageEntry, isNamed } from './image-entry.ts';
import type { ImageFeed, ImageSection, ListRequest } from './image-feed.ts';
import { PAGE_SIZE_BYTES, SECTION_ENTRY_LIMIT, SECTION_SIZE_BYTES } from './image-feed.ts';

export interface PinnedImageParts {
  readonly env: Env;
  readonly snapshot: IndexSnapshot;
  readonly pins: ReaderPins;
  readonly readExtent: ReadExtent;
  readonly index: number;
  readonly term: number;
}

/**
 * This node's state after one log index, held for another node: its tables, and every segment and extent file that they
 * refer to, stay until it is closed. In memory only: a restart lets go of it.
 */
export class PinnedImage implements ImageFeed {
  readonly index: number;
  readonly term: number;
  readonly #parts: PinnedImageParts;
  readonly #pin: ReaderPin;
  /** Where the list before ended: the next one mostly goes on from there. */
  #walk: { readonly source: IndexSource; readonly after: Uint8Array } | undefined;
  #running = 0;
  #closed = false;

  /** In the turn in which the snapshot was taken, which is the image's from here on. */
  constructor(parts: PinnedImageParts) {
    this.#parts = parts;
    this.index = parts.index;
    this.term = parts.term;
    this.#pin = parts.pins.acquire();
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** KV_CORRUPTION where a block is damaged; KV_VIEW_CLOSED. */
  async list(request: ListRequest): Promise<readonly ImageSection[]> {
    return this.#use(() => this.#list(request));
  }

  /** KV_CORRUPTION where one is damaged; KV_INVALID_ARGUMENT where the image has none of that name. */
  async values(names: readonly ValueName[]): Promise<readonly Uint8Array[]> {
    return this.#use(async () => {
      const values: Uint8Array[] = [];
      for (const name of names) values.push(await this.#value(name));
      return values;
    });
  }

  /** Lets go of everything, after what runs. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#releaseUnused();
  }

  async #list({ after, upTo, since, sectionLimit }: ListRequest): Promise<ImageSection[]> {
    const source = await this.#sourceAfter(after);
    const sections: ImageSection[] = [];
    let freshBytes = 0;
    while (sections.length < sectionLimit && freshBytes < PAGE_SIZE_BYTES) {
      const builder = new SectionBuilder(this.#parts.env, since);
      const isLast = await builder.fill(source, upTo);
      const section = builder.finish(isLast);
      sections.push(section);
      freshBytes += builder.freshBytes;
      if (isLast) return sections;
    }
    const end = sections.at(-1)?.end;
    if (end !== undefined) this.#walk = { source, after: end };
    return sections;
  }

  /** A walk that stands at the first key after `after`. */
  async #sourceAfter(after: Uint8Array | undefined): Promise<IndexSource> {
    const walk = this.#walk;
    this.#walk = undefined;
    if (walk !== undefined && after !== undefined && compareBytes(walk.after, after) === 0) {
      return walk.source;
    }
    const source = this.#parts.snapshot.source(false);
    await source.seek(after);
    if (after !== undefined && source.key !== undefined && compareBytes(source.key, after) === 0) {
      await source.advance();
    }
    return source;
  }

  async #value(name: ValueName): Promise<Uint8Array> {
    const record = liveRecord(await this.#parts.snapshot.get(name.key));
    if (!isNamed(record, name)) {
      throw new KvError('KV_INVALID_ARGUMENT', `the image has no value of version ${name.version}`);
    }
    try {
      const { key, version } = name;
      return await this.#parts.readExtent(record.extent, undefined, { key, version });
    } catch (cause) {
      throw readError(cause);
    }
  }

  async #use<Result>(body: () => Promise<Result>): Promise<Result> {
    if (this.#closed) throw new KvError('KV_VIEW_CLOSED', 'the image was let go of');
    this.#running++;
    try {
      return await body();
    } finally {
      this.#running--;
      this.#releaseUnused();
    }
  }

  #releaseUnused(): void {
    if (!this.#closed || this.#running > 0) return;
    this.#parts.snapshot.release();
    this.#parts.pins.release(this.#pin);
  }
}

/** Gathers one section. */
class SectionBuilder {
  readonly #env: Env;
  readonly #since: number;
  readonly #all = new ByteWriter(16 * 1024);
  readonly #fresh: ImageEntry[] = [];
  #count = 0;
  #end: Uint8Array | undefined;
  freshBytes = 0;

  constructor(env: Env, since: number) {
    this.#env = env;
    this.#since = since;
  }

  /** Whether it reaches to the end of what was asked for. */
  async fill(source: IndexSource, upTo: Uint8Array | undefined): Promise<boolean> {
    for (;;) {
      const { key } = source;
      if (key === undefined || (upTo !== undefined && compareBytes(key, upTo) > 0)) return true;
      if (this.#count === SECTION_ENTRY_LIMIT || this.#all.length >= SECTION_SIZE_BYTES) {
        return false;
      }
      const record = liveRecord(source.record);
      if (record !== undefined) this.#add(key, record);
      const advanced = source.advance();
      if (advanced !== undefined) await advanced;
    }
  }

  finish(isLast: boolean): ImageSection {
    const end = isLast ? undefined : this.#end;
    const digest = sectionDigest(this.#env, this.#all.finish());
    return { end, digest, fresh: this.#fresh };
  }

  #add(key: Uint8Array, record: LiveRecord): void {
    const before = this.#all.length;
    encodeImageEntry(this.#all, key, record);
    this.#count++;
    // A copy: it shares memory with a piece of the table.
    this.#end = key.slice();
    if (record.version <= this.#since) return;
    this.freshBytes += this.#all.length - before;
    if (record.kind === 'inline') this.#fresh.push({ key: this.#end, record });
    else {
      const { length, crc } = record.extent;
      const { version } = record;
      this.#fresh.push({ key: this.#end, record: { kind: 'stored', version, length, crc } });
    }
  }
}

/** Of the encoded entries of a section, one after the other. */
export function sectionDigest(env: Env, entries: Uint8Array): Uint8Array {
  return env.digests.compute(['sha256'], entries).get('sha256') as Uint8Array;
}
