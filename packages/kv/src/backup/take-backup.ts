import type { Env } from '@holdfast/env';
import { FileError, makeDurableDirectory } from '@holdfast/env';
import { copySegment } from '@holdfast/wal';
import { KvError } from '../errors.ts';
import { replaceFile } from '../file-replacement.ts';
import {
  copyFile,
  fingerprint,
  isStoredName,
  listBackups,
  sealAt,
  storedPath,
  tryLink,
  unlinkIfThere,
} from './backup-folder.ts';
import type { BackupFile, BackupManifest, BackupSegment } from './backup-manifest.ts';
import {
  BACKUP_FORMAT_VERSION,
  damaged,
  encodeManifest,
  filesOf,
  manifestName,
} from './backup-manifest.ts';
import type { PinnedFiles, PinnedSegment } from './pinned-files.ts';

export interface BackupRequest {
  /** Folder of the backups of one node; made if it is not there. */
  readonly to: string;
  /** Backups to keep, this one included; older ones are removed. Default: all. */
  readonly keep?: number;
}

export interface BackupReport {
  /** Last record of the log that the backup holds. */
  readonly index: number;
  /** Oldest index that can be restored from it. */
  readonly oldestIndex: number;
  /** Wall-clock milliseconds. */
  readonly createdMs: number;
  readonly files: number;
  readonly sizeBytes: number;
  readonly copiedBytes: number;
  readonly linkedBytes: number;
  /** Of files that an earlier backup had brought. */
  readonly reusedBytes: number;
  readonly durationMs: number;
}

/** How a folder of backups comes to have those of another log. */
const OTHER_LOG =
  'an older copy of its folder was put back, or it was taken in anew. Give it another folder of backups';

/** Why: names would be in common, and what takes the folder would take its backups with it. KV_INVALID_ARGUMENT. */
export function refuseOwnFolder(directory: string, to: string): void {
  if (!`${to}/`.startsWith(`${directory}/`)) return;
  const message = `${to} is inside the store's own folder: give backups another one, best on another volume`;
  throw new KvError('KV_INVALID_ARGUMENT', message);
}

/**
 * Writes a backup of pinned files. Durability: files are synced, then the folder with their names, and the manifest
 * comes last, by tmp, sync, rename and sync of its folder; so what has a manifest is whole. `check` is called often: what
 * it throws ends the backup, without a manifest.
 */
export async function takeBackup(
  env: Env,
  pinned: PinnedFiles,
  request: BackupRequest,
  check: () => void,
): Promise<BackupReport> {
  await makeDurableDirectory(env.files, `${request.to}/files`);
  const lock = await lockFolder(env, request.to);
  try {
    return await new BackupWriter(env, pinned, request, check).run();
  } finally {
    await lock.release();
  }
}

async function lockFolder(env: Env, directory: string): ReturnType<Env['files']['lock']> {
  try {
    return await env.files.lock(`${directory}/LOCK`);
  } catch (cause) {
    if (!(cause instanceof FileError) || cause.code !== 'FILE_LOCKED') throw cause;
    throw new KvError('KV_BUSY', `another backup to ${directory} is running`, { cause });
  }
}

class BackupWriter {
  readonly #env: Env;
  readonly #pinned: PinnedFiles;
  readonly #request: BackupRequest;
  readonly #check: () => void;
  readonly #directory: string;
  #earlier: readonly BackupManifest[] = [];
  #known: ReadonlyMap<string, BackupFile> = new Map();
  readonly #bytes = { copied: 0, linked: 0, reused: 0 };

  constructor(env: Env, pinned: PinnedFiles, request: BackupRequest, check: () => void) {
    this.#env = env;
    this.#pinned = pinned;
    this.#request = request;
    this.#check = check;
    this.#directory = request.to;
  }

  async run(): Promise<BackupReport> {
    const env = this.#env;
    const startMs = env.clock.monotonicMs();
    this.#earlier = await listBackups(env, this.#directory);
    this.#refuseForeign();
    const isSameLog = await this.#isSameLog();
    this.#refuseOlder(isSameLog);
    if (!isSameLog) {
      throw new KvError(
        'KV_INCOMPATIBLE',
        `${this.#directory} holds backups of another log than this node has now: ${OTHER_LOG}`,
      );
    }
    this.#known = new Map(this.#earlier.flatMap(filesOf).map((file) => [keyOf(file), file]));
    await unlinkIfThere(env, this.#temporary());
    const manifest = await this.#writeFiles();
    await env.files.syncDirectory(`${this.#directory}/files`);
    this.#check();
    const content = encodeManifest(env, manifest);
    await replaceFile(env.files, this.#directory, manifestName(manifest.index), content);
    await this.#prune(manifest);
    const files = filesOf(manifest);
    const { index, oldestIndex, createdMs } = manifest;
    return {
      index,
      oldestIndex,
      createdMs,
      files: files.length,
      sizeBytes: files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
      copiedBytes: this.#bytes.copied,
      linkedBytes: this.#bytes.linked,
      reusedBytes: this.#bytes.reused,
      durationMs: env.clock.monotonicMs() - startMs,
    };
  }

  #refuseForeign(): void {
    const { clusterId, nodeId } = this.#pinned.identity;
    const foreign = this.#earlier.find(
      (each) => each.clusterId !== clusterId || each.nodeId !== nodeId,
    );
    if (foreign === undefined) return;
    throw new KvError(
      'KV_INCOMPATIBLE',
      `${this.#directory} holds backups of node ${foreign.nodeId} of cluster ${foreign.clusterId}, not of node ${nodeId} of cluster ${clusterId}; give each node its own folder`,
    );
  }

  /**
   * Why: an older copy of the node's folder that was put back has another history from there on. By their indexes its
   * backups would be the older ones: the first to be removed, and not what a restore takes. So would be those of a member whose
   * last entries nobody had agreed on when they were backed up, and who has taken them back for a new leader.
   */
  #refuseOlder(isSameLog: boolean): void {
    const later = this.#earlier.findLast(({ index }) => index > this.#pinned.index);
    if (later === undefined) return;
    const found = `${this.#directory} holds a backup of index ${later.index}, and the log of this node ends at ${this.#pinned.index}`;
    const reason =
      isSameLog && this.#pinned.segments.length > 0
        ? `entries that the cluster had not agreed on were taken back since. Back up again when it has come to index ${later.index}, or give it another folder of backups`
        : OTHER_LOG;
    throw new KvError('KV_INCOMPATIBLE', `${found}: ${reason}`);
  }

  /** Once it is longer than theirs only the files tell: a restore would put segments of two logs together. */
  async #isSameLog(): Promise<boolean> {
    const own = this.#pinned.segments;
    // A log that begins behind a state that was sent has none yet; they are told apart when it has.
    if (own.length === 0) return true;
    const segments = this.#earlier.findLast((each) => each.segments.length > 0)?.segments ?? [];
    const stored = new Map(segments.map((segment) => [segment.segmentId, segment]));
    const ours = own.findLast(({ segmentId }) => stored.has(segmentId));
    const common = ours && stored.get(ours.segmentId);
    if (ours !== undefined && common !== undefined) return await this.#continues(common, ours);
    return (own.at(-1)?.segmentId ?? 0) >= (segments.at(-1)?.segmentId ?? 0);
  }

  /** Whether the node's segment is what was backed up, or begins with it. WAL_CORRUPTION where it is neither for it is damaged. */
  async #continues(stored: BackupSegment, own: PinnedSegment): Promise<boolean> {
    const env = this.#env;
    const source = `${this.#pinned.directory}/${own.name}`;
    const sizeBytes = (await env.files.stat(source))?.sizeBytes ?? 0;
    if (stored.sealed) {
      if (sizeBytes === stored.sizeBytes && (await sealAt(env, source)) === stored.seal)
        return true;
    } else if (sizeBytes >= stored.sizeBytes) {
      const options = { check: this.#check, sizeBytes: stored.sizeBytes };
      if ((await fingerprint(env, source, options)).sha256 === stored.sha256) return true;
    }
    // Damage is no other log, and says what it is: without a target the segment is only checked.
    await copySegment({ env, source, ...(!own.sealed && { upTo: own.lastIndex }) });
    return false;
  }

  async #writeFiles(): Promise<BackupManifest> {
    const { identity, index, oldestIndex, createdMs, log } = this.#pinned;
    const segments: BackupSegment[] = [];
    for (const segment of this.#pinned.segments) {
      const { name, segmentId, firstIndex, lastIndex, sealed, createdMs: begunMs } = segment;
      const path = `wal/${name}`;
      const file = sealed
        ? await this.#addWhole(path, name)
        : await this.#addCopy(path, async (target) => {
            const source = `${this.#pinned.directory}/${name}`;
            await copySegment({ env: this.#env, source, target, upTo: lastIndex });
          });
      segments.push({ ...file, segmentId, firstIndex, lastIndex, sealed, createdMs: begunMs });
    }
    const tables: BackupFile[] = [];
    for (const name of this.#pinned.tables) tables.push(await this.#addWhole(`kv/${name}`, name));
    const extents: BackupFile[] = [];
    for (const name of this.#pinned.extents) extents.push(await this.#addWhole(`kv/${name}`, name));
    const indexManifest = await this.#addCopy('kv/MANIFEST', (target) =>
      this.#writeWhole(target, this.#pinned.indexManifest),
    );
    return {
      format: BACKUP_FORMAT_VERSION,
      ...identity,
      index,
      oldestIndex,
      createdMs,
      log,
      segments,
      indexManifest,
      tables,
      extents,
    };
  }

  /** A file that never changes: linked, copied, or there already. */
  async #addWhole(path: string, name: string): Promise<BackupFile> {
    const { files } = this.#env;
    const source = `${this.#pinned.directory}/${name}`;
    const sizeBytes = (await files.stat(source))?.sizeBytes ?? 0;
    const seal = await sealAt(this.#env, source);
    const known = this.#known.get(keyOf({ path, sizeBytes, seal }));
    if (known !== undefined && (await this.#isStored(known))) {
      this.#bytes.reused += sizeBytes;
      return fileOf(known);
    }
    const linked = this.#temporary();
    if (!(await tryLink(this.#env, source, linked))) {
      return this.#copyWhole(path, source);
    }
    const file = { path, ...(await fingerprint(this.#env, linked, { check: this.#check })) };
    await this.#keep(linked, file);
    this.#bytes.linked += sizeBytes;
    return file;
  }

  /** Safety: the copy is read again, and must be what was read from the source. */
  async #copyWhole(path: string, source: string): Promise<BackupFile> {
    let sha256 = '';
    const file = await this.#addCopy(path, async (target) => {
      ({ sha256 } = await copyFile(this.#env, source, target, this.#check));
    });
    if (file.sha256 !== sha256) {
      throw damaged(storedPath(this.#directory, file), 'it is not what was written to it');
    }
    return file;
  }

  /** A file that is made for the backup. */
  async #addCopy(path: string, write: (target: string) => Promise<void>): Promise<BackupFile> {
    const target = this.#temporary();
    await write(target);
    const file = { path, ...(await fingerprint(this.#env, target, { check: this.#check })) };
    await this.#keep(target, file);
    this.#bytes.copied += file.sizeBytes;
    return file;
  }

  /** Gives a file that is written and synced the name of its content. */
  async #keep(temporary: string, file: BackupFile): Promise<void> {
    const { files } = this.#env;
    // A rename between two names of one file does nothing, and the temporary one would stay.
    if (await this.#isStored(file)) await files.unlink(temporary);
    else await files.rename(temporary, storedPath(this.#directory, file));
  }

  async #isStored(file: BackupFile): Promise<boolean> {
    const stat = await this.#env.files.stat(storedPath(this.#directory, file));
    return stat?.sizeBytes === file.sizeBytes;
  }

  async #writeWhole(path: string, content: Uint8Array): Promise<void> {
    const file = await this.#env.files.open(path, 'create');
    try {
      await file.write(content, 0);
      await file.sync();
    } finally {
      await file.close();
    }
  }

  #temporary(): string {
    return `${this.#directory}/files/unfinished.tmp`;
  }

  /** Removes the manifests of older backups first, durably, and then the files that none lists; what is not a backup's stays. */
  async #prune(newest: BackupManifest): Promise<void> {
    const { files } = this.#env;
    const all = [...this.#earlier.filter(({ index }) => index !== newest.index), newest];
    all.sort((left, right) => left.index - right.index);
    const kept = all.slice(Math.max(0, all.length - (this.#request.keep ?? all.length)));
    const gone = all.filter((each) => !kept.includes(each));
    for (const { index } of gone) await files.unlink(`${this.#directory}/${manifestName(index)}`);
    if (gone.length > 0) await files.syncDirectory(this.#directory);
    const needed = new Set(kept.flatMap(filesOf).map(({ sha256 }) => sha256));
    const stored = await files.list(`${this.#directory}/files`);
    const unneeded = stored.filter((name) => isStoredName(name) && !needed.has(name));
    for (const name of unneeded) await files.unlink(`${this.#directory}/files/${name}`);
  }
}

function keyOf({ path, sizeBytes, seal }: Omit<BackupFile, 'sha256'>): string {
  return `${path} ${sizeBytes} ${seal}`;
}

function fileOf({ path, sizeBytes, sha256, seal }: BackupFile): BackupFile {
  return { path, sizeBytes, sha256, seal };
}
