import { MalformedBytesError } from '@holdfast/bytes';
import type { Env, FileHandle } from '@holdfast/env';
import type { SegmentEnd } from '@holdfast/wal';
import { copySegment } from '@holdfast/wal';
import { BlockCache } from '../block-cache.ts';
import { Disposals } from '../disposals.ts';
import { KvError, NewerFormatError } from '../errors.ts';
import { fileIdOf, segmentIdOfFile } from '../extent-format.ts';
import { readWholeFile } from '../file-replacement.ts';
import { InPlaceReads } from '../in-place-reads.ts';
import type { ExtentRecord } from '../index-record.ts';
import type { ManifestState } from '../manifest-codec.ts';
import {
  decodeManifest as decodeIndexManifest,
  MANIFEST_FORMAT_VERSION,
} from '../manifest-codec.ts';
import { MergeSource } from '../merge-source.ts';
import { SortedTable } from '../sorted-table.ts';
import { tableFileName } from '../table-format.ts';
import { TableSource } from '../table-source.ts';
import { openError } from '../wal-failure.ts';
import { fingerprint, requireBackups, storedPath } from './backup-folder.ts';
import type { BackupFile, BackupManifest } from './backup-manifest.ts';
import { damaged, filesOf } from './backup-manifest.ts';

export interface VerifiedBackup {
  readonly index: number;
  readonly oldestIndex: number;
  readonly createdMs: number;
  readonly files: number;
  readonly sizeBytes: number;
  /** Live keys in the tables, each looked up down to the bytes of its value. */
  readonly keys: number;
  /** What is wrong, a sentence each; empty where nothing is. */
  readonly problems: readonly string[];
  /** What of it a newer Holdfast has written, so that only that one can tell whether it is whole; undefined where nothing is. */
  readonly newer: string | undefined;
}

/**
 * Checks every backup in a folder: that each file is there with its size and SHA-256, that the segments follow each
 * other with every record whole, and that the tables are whole and every value they refer to can be read. Changes
 * nothing. Throws where a manifest cannot be read or there is none.
 */
export async function verifyBackups(env: Env, directory: string): Promise<VerifiedBackup[]> {
  const checked = new Map<string, string | undefined>();
  const verified: VerifiedBackup[] = [];
  for (const manifest of await requireBackups(env, directory)) {
    verified.push(await verifyBackup(env, directory, manifest, checked));
  }
  return verified;
}

async function verifyBackup(
  env: Env,
  directory: string,
  manifest: BackupManifest,
  checked: Map<string, string | undefined>,
): Promise<VerifiedBackup> {
  const problems: string[] = [];
  const files = filesOf(manifest);
  for (const file of files) {
    if (!checked.has(file.sha256)) checked.set(file.sha256, await problemOf(env, directory, file));
    const problem = checked.get(file.sha256);
    if (problem !== undefined) problems.push(problem);
  }
  let keys = 0;
  let newer: string | undefined;
  // What is in files that are damaged need not be looked at.
  if (problems.length === 0) {
    try {
      await checkLog(env, directory, manifest);
      keys = await checkIndex(env, directory, manifest);
    } catch (cause) {
      const error = openError(cause);
      if (error instanceof NewerFormatError) newer = error.message;
      else problems.push(sentenceOf(error));
    }
  }
  const sizeBytes = files.reduce((sum, file) => sum + file.sizeBytes, 0);
  const { index, oldestIndex, createdMs } = manifest;
  return { index, oldestIndex, createdMs, files: files.length, sizeBytes, keys, problems, newer };
}

async function problemOf(
  env: Env,
  directory: string,
  file: BackupFile,
): Promise<string | undefined> {
  const path = storedPath(directory, file);
  const stat = await env.files.stat(path);
  const what = `${path} (${file.path})`;
  if (stat === undefined) return `${what} is missing`;
  if (stat.sizeBytes !== file.sizeBytes) {
    return `${what} has ${stat.sizeBytes} bytes, not ${file.sizeBytes}`;
  }
  const { sha256 } = await fingerprint(env, path);
  return sha256 === file.sha256 ? undefined : `${what} does not match its SHA-256`;
}

/** Every record whole, every segment the continuation of the one before, from the tables' state to the end. */
async function checkLog(env: Env, directory: string, manifest: BackupManifest): Promise<void> {
  let previous: SegmentEnd | undefined;
  let next = Math.min(manifest.oldestIndex + 1, manifest.log.firstIndex);
  for (const segment of manifest.segments) {
    const source = storedPath(directory, segment);
    const { clusterId, nodeId } = manifest;
    const identity = { clusterId, nodeId };
    const copy = await copySegment({ env, source, identity, previous });
    if (copy.segmentId !== segment.segmentId || copy.baseIndex !== segment.firstIndex) {
      throw damaged(source, 'it is another segment than the manifest says');
    }
    if (copy.baseIndex > next) throw damaged(source, `record ${next} is missing before it`);
    next = Math.max(next, segment.lastIndex + 1);
    previous = copy;
  }
  if (next <= manifest.index) {
    throw damaged(directory, `records ${next} to ${manifest.index} are in no segment`);
  }
}

/** Reads every block of every table, and of every live key the bytes of its value. Returns the number of keys. */
async function checkIndex(env: Env, directory: string, manifest: BackupManifest): Promise<number> {
  const state = await readIndexManifest(env, directory, manifest);
  const context = {
    env,
    cache: new BlockCache(0),
    disposals: new Disposals(),
    inPlace: new InPlaceReads(env.clock),
  };
  const tables: SortedTable[] = [];
  const segments = new SegmentReader(env, directory, manifest);
  try {
    for (const listing of state.tables) {
      const path = `kv/${tableFileName(listing.tableId)}`;
      const file = manifest.tables.find((each) => each.path === path);
      if (file === undefined) throw damaged(directory, `${path} is not in the manifest`);
      tables.push(await SortedTable.open(context, storedPath(directory, file), listing));
    }
    const sources = tables.map(
      (table) => new TableSource(table, { reverse: false, useCache: false }),
    );
    const merged = new MergeSource(sources, false);
    let keys = 0;
    for (await merged.seek(undefined); merged.key !== undefined; await merged.advance()) {
      const { record } = merged;
      if (record.kind !== 'tombstone') keys++;
      if (record.kind === 'extent') await segments.check(record.extent);
    }
    return keys;
  } finally {
    for (const table of tables) table.release();
    await context.disposals.finished();
    await segments.close();
  }
}

/** The index's MANIFEST in a backup. KV_CORRUPTION, and KV_INCOMPATIBLE where a newer Holdfast wrote it. */
export async function readIndexManifest(
  env: Env,
  directory: string,
  manifest: BackupManifest,
): Promise<ManifestState> {
  const path = storedPath(directory, manifest.indexManifest);
  const bytes = await readWholeFile(env.files, path);
  if (bytes === undefined) throw damaged(path, 'it is missing');
  try {
    const { formatVersion, state } = decodeIndexManifest(bytes, env.crc32c);
    if (formatVersion === MANIFEST_FORMAT_VERSION) return state;
    throw new NewerFormatError(
      `${path} has format ${formatVersion}; this Holdfast reads ${MANIFEST_FORMAT_VERSION}: use the newer one`,
      { path, offset: 0 },
    );
  } catch (cause) {
    if (cause instanceof MalformedBytesError) throw damaged(path, cause.message, cause);
    throw cause;
  }
}

/** Reads extents from the segments and extent files of a backup; has one file open, since keys of one time are in one. */
class SegmentReader {
  readonly #env: Env;
  readonly #directory: string;
  readonly #segments: ReadonlyMap<number, BackupFile>;
  #file: FileHandle | undefined;
  #segmentId: number | undefined;

  constructor(env: Env, directory: string, { segments, extents }: BackupManifest) {
    this.#env = env;
    this.#directory = directory;
    const named = extents.map((file): [number, BackupFile] => {
      const name = file.path.slice('kv/'.length);
      return [segmentIdOfFile(fileIdOf(name) ?? 0), file];
    });
    this.#segments = new Map([
      ...segments.map((segment): [number, BackupFile] => [segment.segmentId, segment]),
      ...named,
    ]);
  }

  async check(extent: ExtentRecord['extent']): Promise<void> {
    const { segmentId, offset, length, crc } = extent;
    if (segmentId !== this.#segmentId) await this.#open(segmentId);
    const bytes = new Uint8Array(length);
    const got = (await this.#file?.read(bytes, offset)) ?? 0;
    if (got === length && this.#env.bodyChecksum.holds([bytes], crc)) return;
    throw damaged(this.#directory, `a value in segment ${segmentId} at ${offset} is not whole`);
  }

  async #open(segmentId: number): Promise<void> {
    await this.close();
    const segment = this.#segments.get(segmentId);
    if (segment === undefined) throw damaged(this.#directory, `segment ${segmentId} is missing`);
    this.#file = await this.#env.files.open(storedPath(this.#directory, segment), 'read');
    this.#segmentId = segmentId;
  }

  async close(): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
    this.#segmentId = undefined;
  }
}

function sentenceOf(error: unknown): string {
  if (error instanceof KvError) return error.message;
  throw error;
}
