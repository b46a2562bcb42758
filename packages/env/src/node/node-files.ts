import { constants, readdirSync, statSync } from 'node:fs';
import { link, mkdir, readdir, rename, rmdir, stat, statfs, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { FileHandle, FileLock, FileStat, Files, OpenOptions } from '../files.ts';
import { AlignedMemory } from './aligned-memory.ts';
import { closeDescriptor, openDescriptor, openDescriptorNow, syncAll } from './descriptor.ts';
import { errnoOf, fileErrorOf } from './file-errors.ts';
import { InPlaceCalls } from './in-place-calls.ts';
import { NodeFileHandle, openDirectDescriptor } from './node-file-handle.ts';
import { NodeThreads } from './node-threads.ts';
import { takeSqliteLock } from './sqlite-lock.ts';
import { freeBytesOf } from './volume-room.ts';

const FLAGS = {
  read: constants.O_RDONLY,
  write: constants.O_RDWR,
  create: constants.O_RDWR | constants.O_CREAT | constants.O_EXCL,
} as const;

export interface NodeFilesOptions {
  /**
   * Whether a `direct` handle may bypass the page cache. Default true: it does where the filesystem
   * takes it, else each `writeSynced` is a write and a data sync.
   */
  readonly direct?: boolean;
}

/** Why not Node's recursive one: where a folder takes none, as `/proc`, that tries for ever. */
async function makeFolders(path: string): Promise<void> {
  const made = await tryMakeFolder(path);
  if (made === 'done') return;
  const parent = dirname(path);
  if (made.code !== 'ENOENT' || parent === path) throw made;
  await makeFolders(parent);
  const again = await tryMakeFolder(path);
  if (again !== 'done') throw again;
}

/** What it failed with, unless the folder is there now. */
async function tryMakeFolder(path: string): Promise<'done' | NodeJS.ErrnoException> {
  try {
    await mkdir(path);
    return 'done';
  } catch (error) {
    const there = await stat(path).catch(() => undefined);
    return there?.isDirectory() === true ? 'done' : (error as NodeJS.ErrnoException);
  }
}

/** `Files` on the file system of the machine. */
export class NodeFiles implements Files {
  readonly threads: NodeThreads;
  readonly #memory = new AlignedMemory();
  readonly #direct: boolean;
  /** For what only looks up names, which is mostly in memory. */
  readonly #lookUps: InPlaceCalls;

  constructor(options: NodeFilesOptions = {}, lookUps: InPlaceCalls = new InPlaceCalls()) {
    this.#direct = options.direct ?? true;
    this.#lookUps = lookUps;
    this.threads = new NodeThreads(options);
  }

  async open(
    path: string,
    mode: 'read' | 'write' | 'create',
    options: OpenOptions = {},
  ): Promise<FileHandle> {
    const opening =
      mode === 'create'
        ? openDescriptor(path, FLAGS[mode], options.mode ?? 0o644)
        : this.#openThere(path, FLAGS[mode]);
    if (!options.direct || mode === 'read') {
      return new NodeFileHandle(path, await opening, undefined);
    }
    // A file that is there is opened in both ways at once.
    const isBulk = options.direct === 'bulk';
    const openDirect = (): Promise<number | undefined> => this.#openDirect(path, isBulk);
    const openingDirect = mode === 'create' ? opening.then(openDirect) : openDirect();
    const [plain, direct] = await Promise.allSettled([opening, openingDirect]);
    if (plain.status === 'fulfilled' && direct.status === 'fulfilled') {
      return new NodeFileHandle(path, plain.value, { descriptor: direct.value, isBulk });
    }
    for (const result of [plain, direct]) {
      if (result.status === 'fulfilled' && result.value !== undefined) {
        await closeDescriptor(result.value, path);
      }
    }
    throw plain.status === 'rejected' ? plain.reason : (direct as PromiseRejectedResult).reason;
  }

  async #openDirect(path: string, isBulk: boolean): Promise<number | undefined> {
    const open = (at: string, flags: number): Promise<number> => this.#openThere(at, flags);
    return this.#direct ? await openDirectDescriptor(path, isBulk, open) : undefined;
  }

  /** Opens a file or folder that is there. */
  #openThere(path: string, flags: number): Promise<number> {
    return this.#lookUps.run(
      () => openDescriptorNow(path, flags),
      () => openDescriptor(path, flags),
    );
  }

  async rename(from: string, to: string): Promise<void> {
    await rename(from, to).catch(rejectAs('rename', from));
  }

  async link(from: string, to: string): Promise<void> {
    await link(from, to).catch(rejectAs('link', to));
  }

  async unlink(path: string): Promise<void> {
    await unlink(path).catch(rejectAs('unlink', path));
  }

  async makeDirectory(path: string): Promise<void> {
    await makeFolders(path).catch(rejectAs('makeDirectory', path));
  }

  async removeDirectory(path: string): Promise<void> {
    await rmdir(path).catch(rejectAs('removeDirectory', path));
  }

  async list(path: string): Promise<string[]> {
    const listing = this.#lookUps.run(
      () => readdirSync(path),
      () => readdir(path),
    );
    const names = await listing.catch(rejectAs('list', path));
    // By code unit, as the default is: the same on every machine, whatever its language.
    return names.sort();
  }

  async stat(path: string): Promise<FileStat | undefined> {
    try {
      const stats = await this.#lookUps.run(
        () => statSync(path),
        () => stat(path),
      );
      const kind = stats.isDirectory() ? 'directory' : 'file';
      return { sizeBytes: stats.size, kind, modifiedMs: stats.mtimeMs };
    } catch (cause) {
      const errno = errnoOf(cause);
      if (errno === 'ENOENT' || errno === 'ENOTDIR') return undefined;
      throw fileErrorOf('stat', path, cause);
    }
  }

  async syncDirectory(path: string): Promise<void> {
    // Windows cannot sync a folder; NTFS journals its entries.
    if (process.platform === 'win32') return;
    const flags = constants.O_RDONLY | constants.O_DIRECTORY;
    const descriptor = await this.#openThere(path, flags);
    try {
      await syncAll(descriptor, path);
    } finally {
      await closeDescriptor(descriptor, path);
    }
  }

  async lock(path: string): Promise<FileLock> {
    try {
      return takeSqliteLock(path);
    } catch (cause) {
      // Why: SQLite names every failure to open alike; this one names a missing folder, or a file in its place.
      await stat(`${dirname(path)}/`).catch(rejectAs('lock', path));
      throw cause;
    }
  }

  async freeBytes(path: string): Promise<number> {
    return freeBytesOf(await statfs(path).catch(rejectAs('freeBytes', path)));
  }

  allocate(sizeBytes: number): Uint8Array {
    return this.#memory.allocate(sizeBytes);
  }
}

function rejectAs(operation: string, path: string): (cause: unknown) => never {
  return (cause) => {
    throw fileErrorOf(operation, path, cause);
  };
}
