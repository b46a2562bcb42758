import type { Env } from '@holdfast/env';
import { FileError } from '@holdfast/env';
import type { ExtentListing } from './extent-format.ts';
import { ExtentWriter } from './extent-writer.ts';
import { liveRecord } from './index-record.ts';
import type { KvEngine, MovedValue } from './kv-engine.ts';
import type { ReaderPins } from './reader-pins.ts';
import { isCorruption } from './repairing-reader.ts';
import type { ReadExtent } from './value-reader.ts';

export interface HealingOptions {
  readonly env: Env;
  readonly engine: KvEngine;
  readonly pins: ReaderPins;
  /** Has damaged bytes from elsewhere, if they can be had. */
  readonly readExtent: ReadExtent;
  /** A file that has so much is not added to. */
  readonly fileSizeBytes: number;
  readonly exclusively: (body: () => Promise<void>) => Promise<void>;
  /** Within `exclusively`: flushes, and removes what nothing refers to. */
  readonly flush: () => Promise<void>;
  readonly isStopped: () => boolean;
}

/** What was made of damaged segments. */
export interface HealReport {
  /** Bytes of values that are in new files now. */
  readonly movedBytes: number;
  /** Values that are damaged here and could not be had elsewhere. They stay where they are. */
  readonly lostValues: number;
}

/**
 * Writes every value that the index has in these segments anew, what is damaged from other nodes: nothing refers to the
 * segments then, and they go. Found by the index and not by the segments' own records, which may be damaged themselves.
 * Durability: as of compaction: copies are synced and listed before anything refers to them.
 */
export async function healSegments(
  options: HealingOptions,
  segmentIds: ReadonlySet<number>,
): Promise<HealReport> {
  const { engine, pins, readExtent, isStopped } = options;
  const report = { movedBytes: 0, lostValues: 0 };
  // Safety: what is being copied is not removed, even if it dies meanwhile.
  const snapshot = engine.index.snapshot();
  const pin = pins.acquire();
  let file: HealedFile | undefined;
  try {
    const source = snapshot.source(false);
    await source.seek(undefined);
    for (; source.key !== undefined && !isStopped(); await source.advance()) {
      const record = liveRecord(source.record);
      if (record?.kind !== 'extent' || !segmentIds.has(record.extent.segmentId)) continue;
      const { version, extent } = record;
      const key = source.key.slice();
      const value = await readExtent(extent, undefined, { key, version }).catch(ifDamaged);
      if (value === undefined) {
        report.lostValues++;
        continue;
      }
      file ??= await HealedFile.create(options);
      await file.add({ key, from: extent }, value);
      if (!file.isFull) continue;
      report.movedBytes += await file.commit();
      file = undefined;
    }
    if (file !== undefined) report.movedBytes += await file.commit();
    file = undefined;
    return report;
  } finally {
    await file?.abandon();
    snapshot.release();
    pins.release(pin);
  }
}

/** One new extent file. */
class HealedFile {
  readonly #options: HealingOptions;
  readonly #fileId: number;
  readonly #writer: ExtentWriter;
  readonly #moved: MovedValue[] = [];
  /** A MANIFEST lists it, or may. */
  #mayBeListed = false;

  private constructor(options: HealingOptions, fileId: number, writer: ExtentWriter) {
    this.#options = options;
    this.#fileId = fileId;
    this.#writer = writer;
  }

  static async create(options: HealingOptions): Promise<HealedFile> {
    const { env, engine } = options;
    const fileId = engine.index.takeFileId();
    const writer = await ExtentWriter.create(env, engine.extents.pathOf(fileId), fileId);
    return new HealedFile(options, fileId, writer);
  }

  get isFull(): boolean {
    return this.#writer.isFull || this.#writer.sizeBytes >= this.#options.fileSizeBytes;
  }

  async add(place: Omit<MovedValue, 'to'>, value: Uint8Array): Promise<void> {
    const to = await this.#writer.add(place.key, value, place.from.crc);
    this.#moved.push({ ...place, to });
  }

  /** Bytes that are at their new place. */
  async commit(): Promise<number> {
    const { env, engine, exclusively, flush } = this.#options;
    const { valuesBytes } = this.#writer;
    const listing = await this.#writer.finish();
    await this.#writer.close();
    await env.files.syncDirectory(engine.extents.directory);
    let movedBytes = 0;
    await exclusively(async () => {
      await this.#list(listing, valuesBytes);
      movedBytes = await engine.relocate(this.#moved);
      await flush();
    });
    return movedBytes;
  }

  async #list(listing: ExtentListing, valuesBytes: number): Promise<void> {
    const { index, extents } = this.#options.engine;
    this.#mayBeListed = true;
    try {
      await index.commitExtents({ added: [listing] });
    } catch (error) {
      // Safety: after any other failure the next start may find it listed, and refuses where it is missing.
      if (error instanceof FileError && error.code === 'NO_SPACE') this.#mayBeListed = false;
      throw error;
    }
    extents.add(listing, valuesBytes);
  }

  /** What is left of it is removed now or at the next open, where no MANIFEST lists it. */
  async abandon(): Promise<void> {
    const { env, engine } = this.#options;
    await this.#writer.close().catch(() => undefined);
    if (this.#mayBeListed) return;
    await env.files.unlink(engine.extents.pathOf(this.#fileId)).catch(() => undefined);
  }
}

function ifDamaged(error: unknown): undefined {
  if (!isCorruption(error)) throw error;
}
