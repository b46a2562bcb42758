import { invariant } from '@holdfast/bytes';
import { FileError, type FileHandle } from '../files.ts';
import type { DiskOperation, Fault } from './faults.ts';
import { type FileNode, type PendingChange, SECTOR_BYTES } from './file-node.ts';
import type { OperationRunner } from './operation-runner.ts';
import { PAGE_BYTES } from './page-image.ts';
import type { SeededRandom } from './seeded-random.ts';

export interface MemoryHandleOptions {
  readonly writable: boolean;
  readonly direct: boolean;
  /** Whether the caller promised aligned synced writes; 'bulk': of all writes. */
  readonly promisedAlignment: boolean | 'bulk';
  /** Whether a buffer is one of `Files.allocate`. */
  readonly isAligned: (bytes: Uint8Array) => boolean;
  /** How many of the bytes at a position find room on the volume. */
  readonly roomFor: (position: number, length: number) => number;
}

/** One open file of a `MemoryFiles`. */
export class MemoryFileHandle implements FileHandle {
  readonly path: string;
  readonly #runner: OperationRunner;
  readonly #node: FileNode;
  readonly #options: MemoryHandleOptions;
  #open = true;

  constructor(runner: OperationRunner, node: FileNode, path: string, options: MemoryHandleOptions) {
    this.path = path;
    this.#runner = runner;
    this.#node = node;
    this.#options = options;
  }

  get direct(): boolean {
    return this.#options.direct;
  }

  async read(target: Uint8Array, position: number): Promise<number> {
    this.#mustBeOpen('read', false);
    const details = { path: this.path, position, length: target.length };
    return this.#runner.read('read', details, () => this.#node.live.read(target, position));
  }

  async write(source: Uint8Array, position: number): Promise<void> {
    this.#mustBeOpen('write', true);
    const { direct, promisedAlignment } = this.#options;
    const isBulk = promisedAlignment === 'bulk';
    if (isBulk) this.#mustBeAligned(source, position);
    const sectorBytes = direct && isBulk ? PAGE_BYTES : SECTOR_BYTES;
    await this.#change('write', source, position, sectorBytes, (change) => {
      change.state = 'dirty';
    });
  }

  async writeSynced(source: Uint8Array, position: number): Promise<void> {
    this.#mustBeOpen('writeSynced', true);
    const { direct, promisedAlignment } = this.#options;
    if (promisedAlignment) this.#mustBeAligned(source, position);
    const sectorBytes = direct ? PAGE_BYTES : SECTOR_BYTES;
    await this.#change('writeSynced', source, position, sectorBytes, (change) =>
      this.#node.makeDurable([change]),
    );
  }

  async sync(): Promise<void> {
    this.#mustBeOpen('sync', false);
    const node = this.#node;
    await this.#runner.change(
      'sync',
      { path: this.path },
      {
        apply: () => node.pending.filter((change) => change.state === 'dirty'),
        complete: (changes) => node.makeDurable(changes),
        // Why: after a failed sync Linux calls the pages clean. They may be on the disk or not.
        fail: () => {
          for (const change of node.pending) change.state = 'abandoned';
        },
      },
    );
  }

  async truncate(sizeBytes: number): Promise<void> {
    this.#mustBeOpen('truncate', true);
    const details = { path: this.path, length: sizeBytes };
    const change = await this.#runner.change('truncate', details, {
      apply: () => {
        this.#node.modifiedMs = this.#runner.nowMs();
        return this.#node.truncate(sizeBytes);
      },
    });
    change.state = 'dirty';
  }

  async sizeBytes(): Promise<number> {
    this.#mustBeOpen('stat', false);
    return this.#runner.read('stat', { path: this.path }, () => this.#node.live.sizeBytes);
  }

  async close(): Promise<void> {
    this.#open = false;
  }

  async #change(
    kind: 'write' | 'writeSynced',
    source: Uint8Array,
    position: number,
    sectorBytes: number,
    complete: (change: PendingChange) => void,
  ): Promise<void> {
    const node = this.#node;
    const details = { path: this.path, position, length: source.length };
    const apply = (operation: DiskOperation): PendingChange => {
      const landing = this.#runner.plan.landingOf(operation, position);
      const room = this.#options.roomFor(landing, source.length);
      node.modifiedMs = this.#runner.nowMs();
      const change = node.write(source.subarray(0, room), landing, sectorBytes);
      if (room === source.length) return change;
      change.state = 'dirty';
      throw new FileError('NO_SPACE', this.path, `${kind} failed: the volume is full`);
    };
    const fail = (fault: Fault, random: SeededRandom): void => {
      const length = appliedLength(fault, source.length, sectorBytes, random);
      if (length === 0) return;
      const change = node.write(source.subarray(0, length), position, sectorBytes);
      // Why: what a direct write has left is on the device, in its own cache perhaps, and no page of Linux hides it.
      const isHidden = fault.code === 'FILE_IO' && !this.#options.direct;
      change.state = isHidden ? 'abandoned' : 'dirty';
    };
    await this.#runner.change(kind, details, { apply, complete, fail });
  }

  #mustBeAligned(source: Uint8Array, position: number): void {
    const misfit = (source.byteOffset | source.length | position) % PAGE_BYTES;
    invariant(
      misfit === 0 && this.#options.isAligned(source),
      'direct writes need position, length and buffer (of allocate) aligned to 4096 bytes',
    );
  }

  #mustBeOpen(operation: string, writes: boolean): void {
    if (!this.#open) {
      throw new FileError('FILE_IO', this.path, `${operation} on a closed handle`);
    }
    if (writes && !this.#options.writable) {
      throw new FileError('FILE_IO', this.path, `${operation} on a handle opened to read`);
    }
  }
}

function appliedLength(
  fault: Fault,
  length: number,
  sectorBytes: number,
  random: SeededRandom,
): number {
  const applied = fault.applied ?? 'part';
  if (applied === 'none') return 0;
  if (applied === 'all') return length;
  const sectors = Math.ceil(length / sectorBytes);
  return Math.min(length, random.below(sectors + 1) * sectorBytes);
}
