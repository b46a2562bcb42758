import { invariant } from '@holdfast/bytes';
import type { Clock } from '../clock.ts';
import {
  FileError,
  type FileHandle,
  type FileLock,
  type FileStat,
  type Files,
  type OpenOptions,
} from '../files.ts';
import { roomFor, usedBytes } from './capacity.ts';
import { type Corruption, corruptFile } from './corruption.ts';
import {
  type CrashState,
  type CrashStatesOptions,
  enumerateCrashes,
  randomCrash,
} from './crash-states.ts';
import { Disk } from './disk.ts';
import type { DiskFingerprints } from './disk-fingerprint.ts';
import type { DiskOperation, Fault, Misdirection } from './faults.ts';
import { FileNode } from './file-node.ts';
import { MemoryFileHandle } from './memory-file-handle.ts';
import {
  DirectoryNode,
  type Entry,
  type EntryChange,
  findEntry,
  findNode,
  pathParts,
} from './name-tree.ts';
import { type DiskWatcher, OperationRunner } from './operation-runner.ts';
import { PAGE_BYTES } from './page-image.ts';
import { SeededRandom } from './seeded-random.ts';

export interface MemoryFilesOptions {
  /** Of everything that is left to chance. Default 1. */
  readonly seed?: number;
  /** Bytes in whole pages beyond which writes fail with NO_SPACE. Default: no limit. */
  readonly capacityBytes?: number;
  /** Gives modification times, and the time for `latencyMs`. Default: it is always 0. */
  readonly clock?: Clock;
  /** How long an operation takes on `clock`. Default: no time, but never in the caller's turn. */
  readonly latencyMs?: (operation: DiskOperation) => number;
  /** Whether it takes direct writes. Default true; without them a failed write is still seen by readers, as clean. */
  readonly direct?: boolean;
}

/**
 * The seeded twin of a disk. It keeps what a power cut would keep apart from what a reader sees, and
 * fails where it is told to.
 *
 * An operation takes effect when it is called and completes a turn (or `latencyMs`) later; a sync
 * makes durable what had completed before it was called. Between the two it is in flight, and a stop
 * then leaves any part of it.
 */
export class MemoryFiles implements Files {
  readonly #options: MemoryFilesOptions;
  readonly #disk: Disk;
  readonly #random: SeededRandom;
  readonly #runner: OperationRunner;
  readonly #locks = new Set<FileNode>();
  readonly #allocated = new WeakSet<ArrayBufferLike>();
  #capacityBytes: number;

  constructor(options: MemoryFilesOptions = {}, disk: Disk = new Disk()) {
    this.#options = options;
    this.#disk = disk;
    this.#random = new SeededRandom(options.seed ?? 1);
    this.#runner = new OperationRunner(this.#random, options);
    this.#capacityBytes = options.capacityBytes ?? Number.POSITIVE_INFINITY;
  }

  // Files: the port.

  async open(
    path: string,
    mode: 'read' | 'write' | 'create',
    options: OpenOptions = {},
  ): Promise<FileHandle> {
    const node =
      mode === 'create'
        ? await this.#create(path, () => this.#freeEntry(path, 'create'))
        : await this.#runner.read('open', { path }, () => this.#file(path, 'open'));
    const { direct = false } = options;
    return new MemoryFileHandle(this.#runner, node, path, {
      writable: mode !== 'read',
      direct: direct !== false && mode !== 'read' && this.#options.direct !== false,
      promisedAlignment: direct,
      isAligned: (bytes) => this.#allocated.has(bytes.buffer),
      roomFor: (position, length) =>
        roomFor(this.#disk, this.#capacityBytes, node, position, length),
    });
  }

  rename(from: string, to: string): Promise<void> {
    return this.#changeEntries('rename', { path: from, to }, () => {
      const remove = findEntry(this.#disk.root, from, 'rename');
      const add = findEntry(this.#disk.root, to, 'rename');
      const node = remove.directory.live.get(remove.name);
      if (node === undefined) throw missing(from, 'rename');
      const replaced = add.directory.live.get(add.name);
      if (replaced === node) return [];
      if (replaced !== undefined) mustBeReplaceable(node.kind, replaced, to);
      return [this.#disk.change({ operation: 'rename', path: from, node, remove, add })];
    });
  }

  link(from: string, to: string): Promise<void> {
    return this.#changeEntries('link', { path: from, to }, () => {
      const node = this.#file(from, 'link');
      const add = this.#freeEntry(to, 'link');
      return [this.#disk.change({ operation: 'link', path: to, node, remove: undefined, add })];
    });
  }

  unlink(path: string): Promise<void> {
    return this.#changeEntries('unlink', { path }, () => {
      const node = this.#file(path, 'unlink');
      const remove = findEntry(this.#disk.root, path, 'unlink');
      return [this.#disk.change({ operation: 'unlink', path, node, remove, add: undefined })];
    });
  }

  makeDirectory(path: string): Promise<void> {
    return this.#changeEntries('makeDirectory', { path }, () => {
      const changes: EntryChange[] = [];
      let directory = this.#disk.root;
      for (const name of pathParts(path)) {
        const found = directory.live.get(name);
        if (found?.kind === 'file') {
          throw new FileError('FILE_EXISTS', path, 'makeDirectory failed: a file is in the way');
        }
        const node = found ?? new DirectoryNode();
        const add = { directory, name };
        const change = { operation: 'makeDirectory', path, node, remove: undefined, add } as const;
        if (found === undefined) changes.push(this.#disk.change(change));
        directory = node;
      }
      return changes;
    });
  }

  removeDirectory(path: string): Promise<void> {
    return this.#changeEntries('removeDirectory', { path }, () => {
      const node = this.#directory(path, 'removeDirectory');
      const remove = findEntry(this.#disk.root, path, 'removeDirectory');
      if (node.live.size > 0) {
        throw new FileError('FILE_IO', path, 'removeDirectory failed with ENOTEMPTY');
      }
      const operation = 'removeDirectory';
      return [this.#disk.change({ operation, path, node, remove, add: undefined })];
    });
  }

  list(path: string): Promise<string[]> {
    return this.#runner.read('list', { path }, () =>
      [...this.#directory(path, 'list').live.keys()].sort(),
    );
  }

  stat(path: string): Promise<FileStat | undefined> {
    return this.#runner.read('stat', { path }, () => {
      const node = findNode(this.#disk.root, path);
      if (node === undefined) return undefined;
      if (node.kind === 'directory') return { sizeBytes: 0, kind: node.kind, modifiedMs: 0 };
      return { sizeBytes: node.live.sizeBytes, kind: node.kind, modifiedMs: node.modifiedMs };
    });
  }

  async syncDirectory(path: string): Promise<void> {
    await this.#runner.change(
      'syncDirectory',
      { path },
      {
        apply: () => this.#disk.pendingOf(this.#directory(path, 'syncDirectory')),
        complete: (changes) => this.#disk.makeDurable(changes),
      },
    );
  }

  async lock(path: string): Promise<FileLock> {
    const find = (): FileNode | undefined => {
      const node = findNode(this.#disk.root, path);
      return node?.kind === 'file' ? node : undefined;
    };
    const node =
      (await this.#runner.read('lock', { path }, find)) ??
      (await this.#create(path, () => find() ?? this.#freeEntry(path, 'lock')));
    if (this.#locks.has(node)) {
      throw new FileError('FILE_LOCKED', path, 'another process or handle holds the lock');
    }
    this.#locks.add(node);
    let held = true;
    return {
      release: async () => {
        if (held) this.#locks.delete(node);
        held = false;
      },
    };
  }

  freeBytes(path: string): Promise<number> {
    return this.#runner.read('freeBytes', { path }, () => {
      if (findNode(this.#disk.root, path) === undefined) throw missing(path, 'freeBytes');
      if (this.#capacityBytes === Number.POSITIVE_INFINITY) return Number.MAX_SAFE_INTEGER;
      return Math.max(0, this.#capacityBytes - usedBytes(this.#disk));
    });
  }

  allocate(sizeBytes: number): Uint8Array {
    invariant(
      Number.isSafeInteger(sizeBytes) && sizeBytes > 0 && sizeBytes % PAGE_BYTES === 0,
      `size of an aligned buffer must be a multiple of ${PAGE_BYTES}: ${sizeBytes}`,
    );
    const bytes = new Uint8Array(sizeBytes);
    this.#allocated.add(bytes.buffer);
    return bytes;
  }

  // The test's side.

  /** Changes so far: the number of the last one. */
  get operationCount(): number {
    return this.#runner.plan.count;
  }

  /** Whether `stopAt` has been reached. */
  get stopped(): boolean {
    return this.#runner.plan.stopped;
  }

  /** The changes, oldest first; of a long run only the newest. */
  operations(): readonly DiskOperation[] {
    return this.#runner.plan.operations();
  }

  /**
   * Stops the disk at the change of that number: it, what is in flight and all later operations reject
   * with DiskStoppedError. Any part of what was in flight may be found by `crashStates`.
   */
  stopAt(operationNumber: number): void {
    this.#runner.plan.stopAt(operationNumber);
  }

  /** Stops the disk now: operations in flight never complete. */
  stop(): void {
    this.#runner.plan.stop();
  }

  /** Makes operations fail until the fault is used up or cancelled. */
  failWhen(fault: Fault): { cancel(): void } {
    return this.#runner.plan.add(fault);
  }

  /**
   * Lets one write land elsewhere in its file, and tell nobody: no cache hides it. It is asked of every write until one is
   * misdirected; positions are in whole sectors of the handle. undefined takes it back.
   */
  misdirectWhen(misdirection: Misdirection | undefined): void {
    this.#runner.plan.misdirect(misdirection);
  }

  /** Makes the volume smaller or larger. */
  setCapacity(capacityBytes: number): void {
    this.#capacityBytes = capacityBytes;
  }

  /** The files below a folder, with their sizes as readers see them; sorted by path. */
  listAll(path: string): { readonly path: string; readonly sizeBytes: number }[] {
    const found: { readonly path: string; readonly sizeBytes: number }[] = [];
    const visit = (directory: DirectoryNode, prefix: string): void => {
      for (const [name, node] of directory.live) {
        const below = `${prefix}/${name}`;
        if (node.kind === 'directory') visit(node, below);
        else found.push({ path: below, sizeBytes: node.live.sizeBytes });
      }
    };
    visit(this.#directory(path, 'list'), path);
    return found.sort((one, other) => (one.path < other.path ? -1 : 1));
  }

  /** Bytes in whole pages of all files that have a name. */
  usedBytes(): number {
    return usedBytes(this.#disk);
  }

  /** Damages bytes on the medium, unseen, as a failing disk does. */
  corrupt(path: string, corruption: Corruption): void {
    corruptFile(this.#file(path, 'corrupt'), corruption, this.#random);
  }

  /** Every disk that a power cut now may leave behind, within the options' bounds. */
  crashStates(options: CrashStatesOptions = {}): Generator<CrashState, void, undefined> {
    return enumerateCrashes(this.#disk, this.#random.fork(), (disk) => this.#with(disk), options);
  }

  /** One of them, chosen by the seed; another with every call. */
  crash(options: CrashStatesOptions = {}): CrashState {
    return randomCrash(this.#disk, this.#random, (disk) => this.#with(disk), options);
  }

  /**
   * The same disk with the same unsynced changes, which goes its own way from here: it is not stopped,
   * not watched, has no faults and no locks, and counts from 0. `seed`: of chance from here on.
   */
  clone(seed: number = this.#options.seed ?? 1): MemoryFiles {
    const options = { ...this.#options, seed, capacityBytes: this.#capacityBytes };
    return new MemoryFiles(options, this.#disk.clone());
  }

  /**
   * The disk as the next process finds it after this one was killed: as `clone`, but what was in flight has been carried out.
   * None of it is durable: the next process reads it all from a cache.
   */
  killed(seed: number = this.#options.seed ?? 1): MemoryFiles {
    const options = { ...this.#options, seed, capacityBytes: this.#capacityBytes };
    return new MemoryFiles(options, this.#disk.clone(true));
  }

  /** Tells of every change, in the order in which they take effect; of one listener, the newest. */
  watch(watcher: DiskWatcher): void {
    this.#runner.watcher = watcher;
  }

  /** What readers see now, as 16 hexadecimal digits: the same for disks that have the same on them. */
  fingerprint(fingerprints: DiskFingerprints): string {
    return fingerprints.of(this.#disk.content);
  }

  #with(disk: Disk): MemoryFiles {
    return new MemoryFiles({ ...this.#options, capacityBytes: this.#capacityBytes }, disk);
  }

  /** `where`: the free entry for the new file, or a file that is there after all. */
  async #create(path: string, where: () => Entry | FileNode): Promise<FileNode> {
    const { node } = await this.#runner.change(
      'create',
      { path },
      {
        apply: () => {
          const place = where();
          if (place instanceof FileNode) return { node: place, change: undefined };
          const node = new FileNode(this.#runner.nowMs());
          const entry = { operation: 'create', path, node, remove: undefined, add: place } as const;
          return { node, change: this.#disk.change(entry) };
        },
        complete: ({ change }) => {
          if (change !== undefined) change.inFlight = false;
        },
      },
    );
    return node;
  }

  async #changeEntries(
    kind: EntryChange['operation'],
    details: { readonly path: string; readonly to?: string },
    apply: () => EntryChange[],
  ): Promise<void> {
    const complete = (changes: EntryChange[]): void => {
      for (const change of changes) change.inFlight = false;
    };
    await this.#runner.change(kind, details, { apply, complete });
  }

  #freeEntry(path: string, operation: string): Entry {
    const entry = findEntry(this.#disk.root, path, operation);
    if (!entry.directory.live.has(entry.name)) return entry;
    throw new FileError('FILE_EXISTS', path, `${operation} failed: the name is taken`);
  }

  #file(path: string, operation: string): FileNode {
    const node = findNode(this.#disk.root, path);
    if (node === undefined) throw missing(path, operation);
    if (node.kind === 'file') return node;
    throw new FileError('FILE_IO', path, `${operation} failed with EISDIR`);
  }

  #directory(path: string, operation: string): DirectoryNode {
    const node = findNode(this.#disk.root, path);
    if (node?.kind === 'directory') return node;
    throw missing(path, operation);
  }
}

function mustBeReplaceable(
  kind: 'file' | 'directory',
  replaced: FileNode | DirectoryNode,
  to: string,
): void {
  const empty = replaced.kind === 'file' || replaced.live.size === 0;
  if (replaced.kind === kind && empty) return;
  throw new FileError('FILE_IO', to, 'rename failed: what is there cannot be replaced');
}

function missing(path: string, operation: string): FileError {
  return new FileError('FILE_NOT_FOUND', path, `${operation} failed: nothing of that name`);
}
