import { fromUtf8, type LogIndex, type Term } from '@holdfast/bytes';
import { FileError } from '@holdfast/env';
import type { Wal } from '@holdfast/wal';
import { KvError } from '../errors.ts';
import type { ExtentListing } from '../extent-format.ts';
import { extentsFileName } from '../extent-format.ts';
import type { IndexRecord } from '../index-record.ts';
import type { IndexSource } from '../index-source.ts';
import { SESSION_RANGE_START } from '../key-space.ts';
import type { KvEngine } from '../kv-engine.ts';
import type { LogStart } from '../manifest-codec.ts';
import type { SessionState } from '../session-table.ts';
import { decodeSession } from '../session-table.ts';
import type { TableListing } from '../sorted-table.ts';
import { tableFileName } from '../table-format.ts';
import { unlinkLeftOver, writeTable } from '../table-writer.ts';
import type { JournalSource } from './image-journal.ts';
import { ImageJournal } from './image-journal.ts';
import type { ImageParts } from './image-parts.ts';
import type { IncomingFolder } from './incoming-folder.ts';
import { incomingDirectory, removeIncoming } from './incoming-folder.ts';
import type { WholeImage } from './incoming-image.ts';

/** What is counted while the table is written. */
interface Counted {
  readonly liveBytes: Map<number, number>;
  readonly sessions: [string, SessionState][];
}

/** An image in files of the store's own, which no MANIFEST lists yet: a restart removes them, and they are made again. */
export interface PreparedImage extends WholeImage {
  readonly listing: TableListing;
  readonly addedExtents: readonly ExtentListing[];
  readonly counted: Counted;
}

/** All that an install can do beforehand. Nothing is seen of it. undefined where no image is whole, or needed. */
export async function prepareImage(
  parts: ImageParts,
  folder: IncomingFolder,
): Promise<PreparedImage | undefined> {
  const { env, engine } = parts;
  const journal = folder.journals.at(-1);
  if (journal === undefined || !journal.summary.isComplete) return undefined;
  const { index, term } = journal.summary.header;
  if (index <= engine.appliedIndex) return undefined;
  const { listing, counted } = await buildTable(parts, journal);
  const addedExtents = await linkFiles(parts, folder, counted.liveBytes);
  // Durability: the names of all of them, before the MANIFEST lists them.
  await env.files.syncDirectory(engine.extents.directory);
  return { index, term, listing, addedExtents, counted };
}

/**
 * Makes a prepared image this node's state. Durability: the MANIFEST's edit is the one commit point. Before it the files of
 * the image lie beside the old state, and are removed at the next open; after it the old state is gone, and the next open
 * does what is left to do. False where the store's own state has become as new meanwhile. KV_NO_SPACE where the MANIFEST finds no
 * room: nothing has changed then, and it may be called again.
 */
export async function installImage(parts: ImageParts, prepared: PreparedImage): Promise<boolean> {
  const { env, engine, wal, quiesced } = parts;
  const { index, term, listing, addedExtents, counted } = prepared;
  if (index <= engine.appliedIndex) return false;
  const { liveBytes, sessions } = counted;
  const table = await engine.index.openUnlisted(listing);
  const logStart = { index, term };
  try {
    await quiesced(async () => {
      await engine.install(table, { liveBytes, addedExtents, logStart }, sessions);
      await restartLog(wal, logStart);
    });
  } catch (cause) {
    if (cause instanceof FileError && cause.code === 'NO_SPACE' && index > engine.appliedIndex) {
      table.release();
      throw new KvError('KV_NO_SPACE', 'the volume has no room to list a state', { cause });
    }
    // Safety: nobody knows whether the edit is listed, or where the log goes on.
    parts.onFailure(cause);
    throw cause;
  }
  await removeIncoming(env, parts.directory);
  return true;
}

/** Removes the files of an image that is not installed after all. */
export async function discardPrepared(
  { env, engine }: ImageParts,
  { listing, addedExtents }: PreparedImage,
): Promise<void> {
  const { directory } = engine.extents;
  await unlinkLeftOver(env.files, `${directory}/${tableFileName(listing.tableId)}`);
  for (const { fileId } of addedExtents) {
    await unlinkLeftOver(env.files, engine.extents.pathOf(fileId));
  }
}

/**
 * What an install does after its commit point, done where a crash came between: the log begins behind the state that was
 * installed. Does nothing elsewhere.
 */
export async function completeInstall(wal: Wal, engine: KvEngine): Promise<void> {
  const { logStart } = engine.index.state;
  if (logStart === undefined || beginsBehind(wal, logStart)) return;
  // Safety: what a killed process wrote last may be in a cache only. The old log goes when the new state is surely listed.
  await engine.index.complete();
  await restartLog(wal, logStart);
}

/** Removes what was received of an image that the store has by now, or has overtaken. */
export async function tidyIncoming(
  parts: Pick<ImageParts, 'env' | 'directory' | 'engine'>,
): Promise<void> {
  const { env, directory, engine } = parts;
  if (engine.index.state.logStart === undefined) return;
  if ((await ImageJournal.newestIndex(env, incomingDirectory(directory))) > engine.flushedIndex)
    return;
  await removeIncoming(env, directory);
}

async function restartLog(wal: Wal, logStart: LogStart): Promise<void> {
  if (beginsBehind(wal, logStart)) return;
  await wal.restartAfter(logStart.index as LogIndex, logStart.term as Term);
}

/** Whether the log holds the record, or lies behind it: then it was begun anew already. */
function beginsBehind(wal: Wal, { index, term }: LogStart): boolean {
  return wal.firstIndex > index + 1 || wal.termAt(index as LogIndex) === term;
}

/** Durability: the table's bytes are when it resolves, its name is not. */
async function buildTable(
  { env, engine }: ImageParts,
  journal: ImageJournal,
): Promise<{ readonly listing: TableListing; readonly counted: Counted }> {
  const tableId = engine.index.takeFileId();
  const path = `${engine.extents.directory}/${tableFileName(tableId)}`;
  await unlinkLeftOver(env.files, path);
  const counted: Counted = { liveBytes: new Map(), sessions: [] };
  const walk = journal.source();
  try {
    const { sizeBytes, footerCrc } = await writeTable(
      env,
      {
        tableId,
        path,
        appliedIndex: journal.summary.header.index,
        expectedEntries: journal.summary.count,
        dropTombstones: true,
      },
      new CountingSource(walk, counted),
    );
    return { listing: { tableId, sizeBytes, footerCrc }, counted };
  } finally {
    await walk.close();
  }
}

/** Gives those of the received files that something refers to a second name, among the store's own. */
async function linkFiles(
  { env, engine }: ImageParts,
  folder: IncomingFolder,
  liveBytes: ReadonlyMap<number, number>,
): Promise<ExtentListing[]> {
  const added: ExtentListing[] = [];
  for (const [id, listing] of folder.files) {
    if (!liveBytes.has(id)) continue;
    const path = engine.extents.pathOf(listing.fileId);
    await unlinkLeftOver(env.files, path);
    await env.files.link(`${folder.directory}/${extentsFileName(listing.fileId)}`, path);
    added.push(listing);
  }
  return added;
}

/** Hands on the entries of a journal, and counts what they refer to. */
class CountingSource implements IndexSource {
  readonly #source: JournalSource;
  readonly #counted: Counted;

  constructor(source: JournalSource, counted: Counted) {
    this.#source = source;
    this.#counted = counted;
  }

  get key(): Uint8Array | undefined {
    return this.#source.key;
  }

  get record(): IndexRecord {
    return this.#source.record;
  }

  async seek(key: Uint8Array | undefined): Promise<void> {
    await this.#source.seek(key);
    this.#count();
  }

  advance(): Promise<void> | undefined {
    const pending = this.#source.advance();
    if (pending !== undefined) return pending.then(() => this.#count());
    this.#count();
    return undefined;
  }

  #count(): void {
    const { key } = this.#source;
    if (key === undefined) return;
    const { record } = this.#source;
    const { liveBytes, sessions } = this.#counted;
    if (record.kind === 'extent') {
      const { segmentId, length } = record.extent;
      liveBytes.set(segmentId, (liveBytes.get(segmentId) ?? 0) + length);
    } else if (record.kind === 'inline' && key[0] === SESSION_RANGE_START[0]) {
      sessions.push([fromUtf8(key.subarray(1)), decodeSession(record.value)]);
    }
  }
}
