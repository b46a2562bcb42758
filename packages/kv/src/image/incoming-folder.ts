import type { Env } from '@holdfast/env';
import { makeDurableDirectory } from '@holdfast/env';
import type { DirectoryEntry, ExtentListing } from '../extent-format.ts';
import { extentsFileName, fileIdOf, segmentIdOfFile } from '../extent-format.ts';
import { ExtentWriter } from '../extent-writer.ts';
import { ImageJournal, journalIdOf, journalSteps } from './image-journal.ts';
import type { ImageParts } from './image-parts.ts';

/** File ids that a journal has for itself. */
export const JOURNAL_FILE_IDS = 1_000_000;

/** What of an image was received so far, by this process or an earlier one. */
export interface IncomingFolder {
  readonly directory: string;
  /** The newest last. Each of an image that is newer than those before it. */
  readonly journals: readonly ImageJournal[];
  /** Extent files that are whole, by the id that extents name them with. */
  readonly files: ReadonlyMap<number, ExtentListing>;
  close(): Promise<void>;
}

export function incomingDirectory(directory: string): string {
  return `${directory}/incoming`;
}

/**
 * Opens the folder, made if it is not there. What a crash has cut off is completed: an extent file ends with the last value
 * that its journal names. What is of no use any more goes: images that this node's own state has overtaken, and journals
 * that refer to values which this node has moved meanwhile.
 */
export async function openIncoming(parts: ImageParts): Promise<IncomingFolder> {
  const { env, engine } = parts;
  const directory = incomingDirectory(parts.directory);
  await makeDurableDirectory(env.files, directory);
  const journals: ImageJournal[] = [];
  const files = new Map<number, ExtentListing>();
  const names = await env.files.list(directory);
  const ids = names.map(journalIdOf).filter((id) => id !== undefined);
  try {
    for (const name of names.filter((each) => journalIdOf(each) !== undefined)) {
      const journal = await openJournal(parts, `${directory}/${name}`);
      if (journal === undefined) continue;
      const { header } = journal.summary;
      const next = ids.find((id) => id > header.firstFileId) ?? Number.POSITIVE_INFINITY;
      const own = names
        .map(fileIdOf)
        .filter((id) => id !== undefined && id >= header.firstFileId && id < next);
      await sealFiles(env, directory, journal, own as number[]);
      for (const listing of journal.summary.sealed) {
        files.set(segmentIdOfFile(listing.fileId), listing);
      }
      const isUsable =
        header.index > engine.appliedIndex &&
        [...journal.summary.segmentIds].every(
          (id) => files.has(id) || engine.space.liveBytes(id) > 0,
        );
      if (isUsable) journals.push(journal);
      else await dropJournal(parts, directory, journal, files);
    }
    await removeStrays(env, directory, journals, files);
  } catch (error) {
    for (const journal of journals) await journal.close();
    throw error;
  }
  const close = async (): Promise<void> => {
    for (const journal of journals) await journal.close();
  };
  return { directory, journals, files, close };
}

/** Removes all that was received. Durable when it resolves; a crash before leaves some of it, which is of no harm. */
export async function removeIncoming(env: Env, directory: string): Promise<void> {
  const folder = incomingDirectory(directory);
  if ((await env.files.stat(folder)) === undefined) return;
  const names = await env.files.list(folder);
  // Journals first: a journal without its files would be looked at in vain.
  names.sort((left, right) => Number(right.endsWith('l')) - Number(left.endsWith('l')));
  for (const name of names) await env.files.unlink(`${folder}/${name}`);
  await env.files.syncDirectory(folder);
  await env.files.removeDirectory(folder);
  await env.files.syncDirectory(directory);
}

async function openJournal(
  { env, identity }: ImageParts,
  path: string,
): Promise<ImageJournal | undefined> {
  const journal = await ImageJournal.open(env, path);
  if (journal === undefined) {
    await env.files.unlink(path);
    return undefined;
  }
  const { clusterId, nodeId } = journal.summary.header.identity;
  if (clusterId === identity.clusterId && nodeId === identity.nodeId) return journal;
  await journal.close();
  await env.files.unlink(path);
  return undefined;
}

/** Completes extent files that were being written. */
async function sealFiles(
  env: Env,
  directory: string,
  journal: ImageJournal,
  own: readonly number[],
): Promise<void> {
  const sealed = new Set(journal.summary.sealed.map(({ fileId }) => fileId));
  for (const fileId of own.filter((id) => !sealed.has(id))) {
    const path = `${directory}/${extentsFileName(fileId)}`;
    const values = await valuesIn(env, journal, fileId);
    if (values.length === 0) {
      await env.files.unlink(path);
      continue;
    }
    const writer = await ExtentWriter.resume(env, path, fileId, values);
    try {
      await journal.noteSealed(await writer.finish());
    } finally {
      await writer.close();
    }
  }
}

/** What the journal says is in one of its files, in the order in which it was written. */
async function valuesIn(
  env: Env,
  journal: ImageJournal,
  fileId: number,
): Promise<DirectoryEntry[]> {
  const segmentId = segmentIdOfFile(fileId);
  const values: DirectoryEntry[] = [];
  for await (const { step } of journalSteps(env, journal.path)) {
    if (step.kind !== 'entries') continue;
    for (const { key, record } of step.entries) {
      if (record.kind !== 'extent' || record.extent.segmentId !== segmentId) continue;
      const { offset, length, crc } = record.extent;
      // A copy: it shares memory with a piece of the journal.
      values.push({ key: key.slice(), offset, length, crc });
    }
  }
  return values;
}

async function dropJournal(
  { env }: ImageParts,
  directory: string,
  journal: ImageJournal,
  files: Map<number, ExtentListing>,
): Promise<void> {
  await journal.close();
  await env.files.unlink(journal.path);
  for (const { fileId } of journal.summary.sealed) {
    files.delete(segmentIdOfFile(fileId));
    await env.files.unlink(`${directory}/${extentsFileName(fileId)}`);
  }
}

/** Journals that newer ones have overtaken wholly, and files that belong to none. */
async function removeStrays(
  env: Env,
  directory: string,
  journals: readonly ImageJournal[],
  files: ReadonlyMap<number, ExtentListing>,
): Promise<void> {
  const kept = new Set([
    ...journals.map(({ path }) => path),
    ...[...files.values()].map(({ fileId }) => `${directory}/${extentsFileName(fileId)}`),
  ]);
  for (const name of await env.files.list(directory)) {
    const path = `${directory}/${name}`;
    if (!kept.has(path)) await env.files.unlink(path);
  }
  await env.files.syncDirectory(directory);
}
