import type { FileHandle } from '@holdfast/env';

const PAGE_BYTES = 4096;

/** A file's content: what is below, with the pages that were written on top of it. */
export class OverlayContent {
  readonly #base: FileHandle | undefined;
  readonly #pages = new Map<number, Uint8Array>();
  /** Bytes from here on are not taken from below. */
  #baseSizeBytes: number;
  sizeBytes: number;

  constructor(base: FileHandle | undefined, sizeBytes: number) {
    this.#base = base;
    this.#baseSizeBytes = sizeBytes;
    this.sizeBytes = sizeBytes;
  }

  async read(target: Uint8Array, position: number): Promise<number> {
    const length = Math.max(0, Math.min(target.length, this.sizeBytes - position));
    const wanted = target.subarray(0, length);
    await this.#readBase(wanted, position);
    const firstPage = Math.floor(position / PAGE_BYTES);
    for (let page = firstPage; page * PAGE_BYTES < position + length; page++) {
      const bytes = this.#pages.get(page);
      if (bytes === undefined) continue;
      const start = page * PAGE_BYTES;
      const from = Math.max(position, start);
      const to = Math.min(position + length, start + PAGE_BYTES);
      wanted.set(bytes.subarray(from - start, to - start), from - position);
    }
    return length;
  }

  async write(source: Uint8Array, position: number): Promise<void> {
    const end = position + source.length;
    for (let page = Math.floor(position / PAGE_BYTES); page * PAGE_BYTES < end; page++) {
      const start = page * PAGE_BYTES;
      const bytes = this.#pages.get(page) ?? (await this.#pageBelow(start));
      const from = Math.max(position, start);
      const to = Math.min(end, start + PAGE_BYTES);
      bytes.set(source.subarray(from - position, to - position), from - start);
      this.#pages.set(page, bytes);
    }
    this.sizeBytes = Math.max(this.sizeBytes, end);
  }

  truncate(sizeBytes: number): void {
    this.#baseSizeBytes = Math.min(this.#baseSizeBytes, sizeBytes);
    for (const [page, bytes] of this.#pages) {
      const keptBytes = sizeBytes - page * PAGE_BYTES;
      if (keptBytes <= 0) this.#pages.delete(page);
      else bytes.fill(0, Math.min(keptBytes, PAGE_BYTES));
    }
    this.sizeBytes = sizeBytes;
  }

  async closeBase(): Promise<void> {
    await this.#base?.close();
  }

  handle(path: string): FileHandle {
    return {
      path,
      direct: false,
      read: (target, position) => this.read(target, position),
      write: (source, position) => this.write(source, position),
      writeSynced: (source, position) => this.write(source, position),
      sync: async () => undefined,
      truncate: async (sizeBytes) => this.truncate(sizeBytes),
      sizeBytes: async () => this.sizeBytes,
      close: async () => undefined,
    };
  }

  async #pageBelow(start: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(PAGE_BYTES);
    await this.#readBase(bytes, start);
    return bytes;
  }

  /** Fills all of `target`, with zeros where nothing is below. */
  async #readBase(target: Uint8Array, position: number): Promise<void> {
    const length = Math.max(0, Math.min(target.length, this.#baseSizeBytes - position));
    let got = 0;
    if (length > 0) got = (await this.#base?.read(target.subarray(0, length), position)) ?? 0;
    target.fill(0, got);
  }
}
