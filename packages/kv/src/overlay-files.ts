import type { FileHandle, FileLock, FileStat, Files, OpenOptions } from '@holdfast/env';
import { FileError } from '@holdfast/env';
import { OverlayContent } from './overlay-content.ts';

/** A piece is read with one call. */
const HOLD_PIECE_BYTES = 4096;

/**
 * A view of files that can be written and never changes them: what is written, made, renamed or removed is so in
 * memory only. With it a store is opened as a start would open it, by the code of a start, and nothing happens on disk.
 * Locks are not taken.
 */
export class OverlayFiles implements Files {
  readonly #base: Files;
  /** What differs from below; undefined where a file is removed. */
  readonly #changed = new Map<string, OverlayContent | undefined>();

  /** Folders that are not there below. */
  readonly #made = new Set<string>();
  /** Folders whose names are those of an earlier moment. */
  readonly #frozen = new Map<string, readonly string[]>();

  constructor(base: Files) {
    this.#base = base;
  }

  async open(
    path: string,
    mode: 'read' | 'write' | 'create',
    _options?: OpenOptions,
  ): Promise<FileHandle> {
    if (mode === 'create') {
      if ((await this.stat(path)) !== undefined) throw fileError('FILE_EXISTS', path);
      const made = new OverlayContent(undefined, 0);
      this.#changed.set(path, made);
      return made.handle(path);
    }
    if (!this.#changed.has(path) && mode === 'read') return this.#base.open(path, 'read');
    return (await this.#writable(path)).handle(path);
  }

  async rename(from: string, to: string): Promise<void> {
    const content = await this.#writable(from);
    this.#changed.set(to, content);
    this.#changed.set(from, undefined);
  }

  async link(from: string, to: string): Promise<void> {
    if ((await this.stat(to)) !== undefined) throw fileError('FILE_EXISTS', to);
    this.#changed.set(to, await this.#writable(from));
  }

  async unlink(path: string): Promise<void> {
    if ((await this.stat(path)) === undefined) throw fileError('FILE_NOT_FOUND', path);
    this.#changed.set(path, undefined);
  }

  async makeDirectory(path: string): Promise<void> {
    if ((await this.#base.stat(path)) === undefined) this.#made.add(path);
  }

  async removeDirectory(path: string): Promise<void> {
    this.#made.delete(path);
  }

  async list(path: string): Promise<string[]> {
    const below = this.#made.has(path) ? [] : this.#frozen.get(path);
    const names = new Set(below ?? (await this.#base.list(path)));
    for (const [changed, content] of this.#changed) {
      if (!changed.startsWith(`${path}/`)) continue;
      const name = changed.slice(path.length + 1);
      if (name.includes('/')) continue;
      if (content === undefined) names.delete(name);
      else names.add(name);
    }
    return [...names].sort();
  }

  async stat(path: string): Promise<FileStat | undefined> {
    if (this.#made.has(path)) return { kind: 'directory', modifiedMs: 0, sizeBytes: 0 };
    if (!this.#changed.has(path)) return this.#base.stat(path);
    const content = this.#changed.get(path);
    return content && { kind: 'file', modifiedMs: 0, sizeBytes: content.sizeBytes };
  }

  async syncDirectory(): Promise<void> {}

  async lock(): Promise<FileLock> {
    return { release: async () => undefined };
  }

  freeBytes(path: string): Promise<number> {
    return this.#base.freeBytes(path);
  }

  allocate(sizeBytes: number): Uint8Array {
    return this.#base.allocate(sizeBytes);
  }

  /**
   * Takes a file's content as it is now, from its end to its beginning. Why so: in a log that somebody writes, what is at
   * the end was written after what is before it, so nothing is missed in front of what was seen.
   */
  async hold(path: string): Promise<void> {
    const content = await this.#writable(path);
    const pieces = Math.ceil(content.sizeBytes / HOLD_PIECE_BYTES);
    for (let piece = pieces - 1; piece >= 0; piece--) {
      const start = piece * HOLD_PIECE_BYTES;
      const bytes = new Uint8Array(Math.min(HOLD_PIECE_BYTES, content.sizeBytes - start));
      await content.read(bytes, start);
      await content.write(bytes, start);
    }
  }

  /** From now on the folder has the names that it has now; gives them. */
  async freezeNames(path: string): Promise<readonly string[]> {
    const names = await this.#base.list(path);
    this.#frozen.set(path, names);
    return names;
  }

  /** Closes the files below. What was opened for reading only is closed by whoever opened it. */
  async close(): Promise<void> {
    for (const content of this.#changed.values()) await content?.closeBase();
    this.#changed.clear();
  }

  async #writable(path: string): Promise<OverlayContent> {
    const known = this.#changed.get(path);
    if (known !== undefined) return known;
    if (this.#changed.has(path)) throw fileError('FILE_NOT_FOUND', path);
    const base = await this.#base.open(path, 'read');
    const content = new OverlayContent(base, await base.sizeBytes());
    this.#changed.set(path, content);
    return content;
  }
}

function fileError(code: 'FILE_EXISTS' | 'FILE_NOT_FOUND', path: string): FileError {
  return new FileError(code, path, code === 'FILE_EXISTS' ? 'the file is there' : 'no such file');
}
