import { constants } from 'node:fs';
import { invariant } from '@holdfast/bytes';
import type { FileHandle } from '../files.ts';
import { FileError } from '../files.ts';
import {
  closeDescriptor,
  descriptorSize,
  readFully,
  readFullyNow,
  syncData,
  truncateDescriptor,
  writeFully,
} from './descriptor.ts';
import { errnoOf } from './file-errors.ts';

/** What direct I/O asks of position, length and address. */
const DIRECT_ALIGNMENT_BYTES = 4096;

/**
 * A descriptor that bypasses the page cache and, unless `isBulk`, returns from a write when it is durable;
 * undefined where the platform or the filesystem has no such thing (tmpfs, some network mounts). `open` opens it.
 */
export async function openDirectDescriptor(
  path: string,
  isBulk: boolean,
  open: (path: string, flags: number) => Promise<number>,
): Promise<number | undefined> {
  // Not defined on macOS and Windows.
  const direct: number | undefined = constants.O_DIRECT;
  if (direct === undefined) return undefined;
  try {
    return await open(path, constants.O_RDWR | direct | (isBulk ? 0 : constants.O_DSYNC));
  } catch (error) {
    if (refusesDirect(error)) return undefined;
    throw error;
  }
}

function refusesDirect(error: unknown): boolean {
  return error instanceof FileError && errnoOf(error.cause) === 'EINVAL';
}

/**
 * One open file. A `direct` handle holds a second descriptor, used by `writeSynced` alone, and by `write` in bulk; all
 * else goes through the page cache, which Linux keeps coherent with direct writes.
 */
export class NodeFileHandle implements FileHandle {
  readonly path: string;
  readonly #descriptor: number;
  readonly #promisedAlignment: boolean;
  readonly #isBulk: boolean;
  #directDescriptor: number | undefined;
  #closing: Promise<void> | undefined;

  constructor(
    path: string,
    descriptor: number,
    direct: { readonly descriptor: number | undefined; readonly isBulk: boolean } | undefined,
  ) {
    this.path = path;
    this.#descriptor = descriptor;
    this.#promisedAlignment = direct !== undefined;
    this.#isBulk = direct?.isBulk ?? false;
    this.#directDescriptor = direct?.descriptor;
  }

  get direct(): boolean {
    return this.#directDescriptor !== undefined;
  }

  async read(target: Uint8Array, position: number): Promise<number> {
    this.#mustBeOpen('read');
    return readFully(this.#descriptor, target, position, this.path);
  }

  readNow(target: Uint8Array, position: number): number {
    this.#mustBeOpen('read');
    return readFullyNow(this.#descriptor, target, position, this.path);
  }

  async write(source: Uint8Array, position: number): Promise<void> {
    this.#mustBeOpen('write');
    if (this.#isBulk && (await this.#writeDirect(source, position))) return;
    return writeFully(this.#descriptor, source, position, this.path);
  }

  async writeSynced(source: Uint8Array, position: number): Promise<void> {
    this.#mustBeOpen('writeSynced');
    if (!(await this.#writeDirect(source, position))) {
      await writeFully(this.#descriptor, source, position, this.path);
    } else if (!this.#isBulk) {
      return;
    }
    await syncData(this.#descriptor, this.path);
  }

  async sync(): Promise<void> {
    this.#mustBeOpen('sync');
    return syncData(this.#descriptor, this.path);
  }

  async truncate(sizeBytes: number): Promise<void> {
    this.#mustBeOpen('truncate');
    return truncateDescriptor(this.#descriptor, sizeBytes, this.path);
  }

  async sizeBytes(): Promise<number> {
    this.#mustBeOpen('stat');
    return descriptorSize(this.#descriptor, this.path);
  }

  close(): Promise<void> {
    this.#closing ??= this.#closeBoth();
    return this.#closing;
  }

  async #closeBoth(): Promise<void> {
    const direct = this.#directDescriptor;
    this.#directDescriptor = undefined;
    await Promise.all([
      closeDescriptor(this.#descriptor, this.path),
      direct === undefined ? undefined : closeDescriptor(direct, this.path),
    ]);
  }

  /** Whether there is a direct descriptor that took it. */
  async #writeDirect(source: Uint8Array, position: number): Promise<boolean> {
    if (this.#promisedAlignment) mustBeAligned(source, position);
    const direct = this.#directDescriptor;
    if (direct === undefined) return false;
    try {
      await writeFully(direct, source, position, this.path);
      return true;
    } catch (error) {
      // Why: some filesystems accept the flag at open and refuse it at the first write.
      if (!refusesDirect(error)) throw error;
      if (this.#directDescriptor === direct) {
        this.#directDescriptor = undefined;
        await closeDescriptor(direct, this.path);
      }
      return false;
    }
  }

  #mustBeOpen(operation: string): void {
    // Safety: a closed descriptor's number may by now belong to another file.
    if (this.#closing === undefined) return;
    throw new FileError('FILE_IO', this.path, `${operation} on a closed handle`);
  }
}

function mustBeAligned(source: Uint8Array, position: number): void {
  const misfit = (source.byteOffset | source.length | position) % DIRECT_ALIGNMENT_BYTES;
  invariant(misfit === 0, 'direct writes need position, length and buffer aligned to 4096 bytes');
}
