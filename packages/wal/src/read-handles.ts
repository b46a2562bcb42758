import type { FileHandle, Files } from '@holdfast/env';

const OPEN_HANDLES = 64;

/** A file that is read: the id tells it from the others. */
export interface ReadableFile {
  readonly id: number;
  readonly path: string;
}

interface OpenHandle {
  readonly opened: Promise<FileHandle>;
  users: number;
  isDropped: boolean;
}

/** Files open for reading, a bounded number of them. A handle in use is closed when its last user is done. */
export class ReadHandles {
  readonly #files: Files;
  readonly #handles = new Map<number, OpenHandle>();

  constructor(files: Files) {
    this.#files = files;
  }

  /** Runs `action` with a handle on the segment's file. */
  async use<T>(segment: ReadableFile, action: (handle: FileHandle) => Promise<T>): Promise<T> {
    const open = this.#open(segment);
    open.users++;
    try {
      return await action(await open.opened);
    } finally {
      open.users--;
      if (open.isDropped && open.users === 0) await closeQuietly(open);
    }
  }

  /** Closes the segment's handle: its file is about to be unlinked. */
  drop(segmentId: number): void {
    const open = this.#handles.get(segmentId);
    if (open === undefined) return;
    this.#handles.delete(segmentId);
    open.isDropped = true;
    if (open.users === 0) void closeQuietly(open);
  }

  async close(): Promise<void> {
    const all = [...this.#handles.values()];
    this.#handles.clear();
    await Promise.all(all.map(closeQuietly));
  }

  #open(segment: ReadableFile): OpenHandle {
    const known = this.#handles.get(segment.id);
    if (known !== undefined) {
      this.#handles.delete(segment.id);
      this.#handles.set(segment.id, known);
      return known;
    }
    const open: OpenHandle = {
      opened: this.#files.open(segment.path, 'read'),
      users: 0,
      isDropped: false,
    };
    open.opened.catch(() => this.#handles.delete(segment.id));
    this.#handles.set(segment.id, open);
    const [oldest] = this.#handles.keys();
    if (this.#handles.size > OPEN_HANDLES && oldest !== undefined) this.drop(oldest);
    return open;
  }
}

/** Closing a file that was only read cannot lose anything. */
async function closeQuietly({ opened }: OpenHandle): Promise<void> {
  try {
    await (await opened).close();
  } catch {
    // It was not open, or is not any more.
  }
}
