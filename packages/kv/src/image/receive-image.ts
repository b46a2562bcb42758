import { ByteWriter, compareBytes, equalBytes } from '@holdfast/bytes';
import type { Env } from '@holdfast/env';
import { KvError } from '../errors.ts';
import type { LiveRecord } from '../index-record.ts';
import type { ImageBase } from './image-base.ts';
import type { ImageEntry, StoredRecord, ValueName } from './image-entry.ts';
import { encodeImageEntry, isNamed, placedRecord } from './image-entry.ts';
import type { ImageFeed, ImageSection, ListRequest } from './image-feed.ts';
import { PAGE_SECTION_LIMIT, SECTION_ENTRY_LIMIT } from './image-feed.ts';
import type { IncomingWriter } from './incoming-writer.ts';
import type { PlacedEntry } from './journal-codec.ts';
import { sectionDigest } from './pinned-image.ts';

/** Groups that wait for the values of an earlier one, whatever their own size. */
const GROUP_LIMIT = 64;

export interface ReceiveLimits {
  /** Bytes of values asked for and not yet written. One value may exceed it. */
  readonly windowSizeBytes: number;
  /** Bytes of values asked for at once. One value may exceed it. */
  readonly chunkSizeBytes: number;
}

/** An entry of the image: it is here, or its value is still to be fetched. */
interface Resolved {
  readonly key: Uint8Array;
  readonly record: LiveRecord | StoredRecord;
}

/** Entries that follow each other, and the values that are on their way for them. */
interface Group {
  readonly entries: Resolved[];
  readonly names: ValueName[];
  sizeBytes: number;
  values: Promise<readonly Uint8Array[]>;
}

/**
 * Receives an image from where the base stands to its end. Every section is checked against the digest that the source
 * has of it, together with what was not sent; where they differ, the whole section is asked for.
 *
 * Memory: one page of the list and the next, and `windowSizeBytes` of values.
 */
export class ImageReceiver {
  readonly #env: Env;
  readonly #feed: ImageFeed;
  readonly #base: ImageBase;
  readonly #writer: IncomingWriter;
  readonly #limits: ReceiveLimits;
  readonly #isStopped: () => boolean;
  #group: Group = emptyGroup();
  #pending: Group[] = [];
  #pendingBytes = 0;
  #sectionLimit = 1;

  constructor(
    env: Env,
    parts: {
      readonly feed: ImageFeed;
      readonly base: ImageBase;
      readonly writer: IncomingWriter;
      readonly limits: ReceiveLimits;
      readonly isStopped: () => boolean;
    },
  ) {
    this.#env = env;
    this.#feed = parts.feed;
    this.#base = parts.base;
    this.#writer = parts.writer;
    this.#limits = parts.limits;
    this.#isStopped = parts.isStopped;
  }

  /** Everything is written, and saved, when it resolves. Rejects with what the feed or the disk rejects with. */
  async run(): Promise<void> {
    let ahead: Promise<readonly ImageSection[]> | undefined;
    for (let next = this.#base.request; next !== undefined; next = this.#base.request) {
      const request = { ...next, sectionLimit: this.#takeSectionLimit() };
      const page = await (ahead ?? this.#feed.list(request));
      ahead = this.#listAhead(request, page.at(-1)?.end);
      for (const section of page) {
        this.#checkRunning();
        for (const entry of await this.#resolve(section, request)) await this.#take(entry);
        await this.#base.passed(section.end);
      }
      if (page.length === 0) throw wrongFeed('an answer without a section');
    }
    await this.#send();
    while (this.#pending.length > 0) await this.#settleOldest();
    await this.#writer.finish();
  }

  /** Why it grows: a page is asked for again after a crash, and should be little beside what there was before. */
  #takeSectionLimit(): number {
    const sectionLimit = this.#sectionLimit;
    this.#sectionLimit = Math.min(PAGE_SECTION_LIMIT, sectionLimit * 2);
    return sectionLimit;
  }

  /** Asks for the page behind this one, while this one is dealt with. */
  #listAhead(
    { upTo, since }: ListRequest,
    after: Uint8Array | undefined,
  ): Promise<readonly ImageSection[]> | undefined {
    if (after === undefined) return undefined;
    const page = this.#feed.list({ after, upTo, since, sectionLimit: this.#takeSectionLimit() });
    page.catch(() => undefined);
    return page;
  }

  /** All entries of a section: those that were sent, and those that were here. */
  async #resolve(section: ImageSection, request: ListRequest): Promise<Resolved[]> {
    const base: PlacedEntry[] = [];
    while (base.length <= SECTION_ENTRY_LIMIT) {
      const entry = await this.#base.next(section.end);
      if (entry === undefined) break;
      base.push(entry);
    }
    // More than a section has: some of them are gone in the image.
    if (base.length <= SECTION_ENTRY_LIMIT) {
      const merged = merge(base, section.fresh);
      if (equalBytes(this.#digestOf(merged), section.digest)) return merged;
    }
    return this.#resolveWhole(section, request, base);
  }

  /** The section as the source has it, each value at the place where it is here, if it is. */
  async #resolveWhole(
    section: ImageSection,
    request: ListRequest,
    base: readonly PlacedEntry[],
  ): Promise<Resolved[]> {
    const after = this.#base.request?.after;
    const upTo = section.end ?? request.upTo;
    const [whole, second] = await this.#feed.list({ after, upTo, since: 0, sectionLimit: 1 });
    if (whole === undefined || second !== undefined || whole.end !== undefined) {
      throw wrongFeed('a section has become another one');
    }
    const entries: Resolved[] = [...whole.fresh];
    if (!equalBytes(this.#digestOf(entries), whole.digest)) {
      throw wrongFeed('a section does not match its digest');
    }
    let at = 0;
    const place = ({ key, record }: PlacedEntry): void => {
      while (at < entries.length && compareBytes((entries[at] as Resolved).key, key) < 0) at++;
      const entry = entries[at];
      if (entry?.record.kind !== 'stored' || compareBytes(entry.key, key) !== 0) return;
      if (isNamed(record, entry.record)) entries[at] = { key, record };
    };
    for (const entry of base) place(entry);
    for (
      let entry = await this.#base.next(section.end);
      entry !== undefined;
      entry = await this.#base.next(section.end)
    ) {
      place(entry);
    }
    return entries;
  }

  #digestOf(entries: readonly Resolved[]): Uint8Array {
    const writer = new ByteWriter(16 * 1024);
    for (const { key, record } of entries) encodeImageEntry(writer, key, record);
    return sectionDigest(this.#env, writer.finish());
  }

  async #take(entry: Resolved): Promise<void> {
    const group = this.#group;
    const { key, record } = entry;
    if (record.kind === 'stored') {
      const isFull = group.sizeBytes + record.length > this.#limits.chunkSizeBytes;
      if (isFull && group.names.length > 0) await this.#send();
      const { version, length, crc } = record;
      this.#group.names.push({ key, version, length, crc });
      this.#group.sizeBytes += length;
    }
    this.#group.entries.push(entry);
    if (this.#group.entries.length >= SECTION_ENTRY_LIMIT) await this.#send();
  }

  /** Asks for the values of the group, when there is room for them. */
  async #send(): Promise<void> {
    const group = this.#group;
    this.#group = emptyGroup();
    if (group.entries.length === 0) return;
    while (
      this.#pending.length > 0 &&
      (this.#pendingBytes + group.sizeBytes > this.#limits.windowSizeBytes ||
        this.#pending.length >= GROUP_LIMIT ||
        this.#pending[0]?.names.length === 0)
    ) {
      await this.#settleOldest();
    }
    if (group.names.length > 0) group.values = this.#feed.values(group.names);
    group.values.catch(() => undefined);
    this.#pending.push(group);
    this.#pendingBytes += group.sizeBytes;
  }

  /** Writes the oldest group, in key order. */
  async #settleOldest(): Promise<void> {
    this.#checkRunning();
    const { entries, names, sizeBytes, values } = this.#pending[0] as Group;
    const got = await values;
    this.#pending.shift();
    this.#pendingBytes -= sizeBytes;
    if (got.length !== names.length) throw wrongFeed('values are missing in an answer');
    let at = 0;
    for (const entry of entries) {
      const { key, record } = entry;
      if (record.kind === 'stored') {
        const name = names[at] as ValueName;
        const extent = await this.#writer.addValue(name, got[at++] as Uint8Array);
        this.#writer.addEntry({ key, record: placedRecord(record, extent) });
      } else {
        this.#writer.addEntry({ key, record });
      }
    }
    await this.#writer.saveIfDue();
  }

  #checkRunning(): void {
    if (this.#isStopped()) throw new KvError('KV_CLOSED', 'the store is being closed');
  }
}

function emptyGroup(): Group {
  return { entries: [], names: [], sizeBytes: 0, values: Promise.resolve([]) };
}

/** Both in key order; of a key, the fresh one. */
function merge(base: readonly PlacedEntry[], fresh: readonly ImageEntry[]): Resolved[] {
  const merged: Resolved[] = [];
  let at = 0;
  for (const entry of fresh) {
    for (; at < base.length; at++) {
      const order = compareBytes((base[at] as PlacedEntry).key, entry.key);
      if (order > 0) break;
      if (order < 0) merged.push(base[at] as PlacedEntry);
    }
    merged.push(entry);
  }
  return [...merged, ...base.slice(at)];
}

function wrongFeed(what: string): KvError {
  return new KvError('KV_CORRUPTION', `another node sent an image that is not whole: ${what}`);
}
