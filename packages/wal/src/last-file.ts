import { invariant } from '@holdfast/bytes';
import type { FileHandle, Files } from '@holdfast/env';
import { FileWindow } from './file-window.ts';
import { openSized, readLast, type SizedFile } from './segment-loader.ts';

/** The file of the last segment while a log is opened: read forward, and made durable meanwhile. */
export class LastFile implements SizedFile {
  readonly handle: FileHandle;
  readonly sizeBytes: number;
  readonly window: FileWindow;
  readonly last: Promise<Uint8Array | undefined>;
  #syncing: Promise<void> | undefined;

  private constructor(handle: FileHandle, sizeBytes: number) {
    this.handle = handle;
    this.sizeBytes = sizeBytes;
    this.window = new FileWindow(handle, sizeBytes);
    this.window.begin();
    this.last = readLast(this);
    // Why: whoever loads the segment hears of it.
    this.last.catch(() => undefined);
  }

  /** Opens it for writing, and begins to read it. The caller holds the folder's lock. */
  static async open(files: Files, path: string): Promise<LastFile> {
    const { handle, sizeBytes } = await openSized(files, path, 'write', { direct: true });
    return new LastFile(handle, sizeBytes);
  }

  /**
   * Begins to make durable all that is read of the file, where a sync does that: where writes are direct. It nearly always needs
   * it, for nothing later says that its last batch was synced; and it goes on while that is verified.
   *
   * Durability: the lock is held, so nobody writes, and what is read before the sync and after it is the same.
   */
  beginSync(): void {
    invariant(this.#syncing === undefined, 'the last segment is synced once');
    if (!this.handle.direct) return;
    this.#syncing = this.handle.sync();
    // Safety: it is not forgotten: `synced` is asked before anything is built on the folder, and before it is refused.
    this.#syncing.catch(() => undefined);
  }

  /** Whether all that is read of the file is durable; false where no sync was begun. Rejects with the `FileError` of the sync. */
  async synced(): Promise<boolean> {
    await this.#syncing;
    return this.#syncing !== undefined;
  }

  /** Waits for what is going on with the file, and closes it. Idempotent. */
  async close(): Promise<void> {
    await Promise.allSettled([this.window.close(), this.last, this.#syncing]);
    await this.handle.close();
  }
}
