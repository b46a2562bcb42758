/** The page of a `PageImage`; a page that an image holds is never changed again. */
export const PAGE_BYTES = 4096;

type Page = Uint8Array;

const ZERO_PAGE: Page = new Uint8Array(PAGE_BYTES);

/**
 * The bytes of one file, as pages that are shared between images and replaced, never changed. So a
 * copy costs nothing until one of the two is written to, and then one page at a time.
 */
export class PageImage {
  /** What stands for the bytes, as `DiskFingerprints` has computed it; undefined since they were changed. */
  digest: readonly [number, number] | undefined;
  #pages: (Page | undefined)[];
  #shared: boolean;
  #sizeBytes: number;

  constructor() {
    this.#pages = [];
    this.#shared = false;
    this.#sizeBytes = 0;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Pages that hold bytes; holes take no room. */
  countPages(): number {
    let count = 0;
    for (const page of this.#pages) if (page !== undefined) count += 1;
    return count;
  }

  clone(): PageImage {
    const copy = new PageImage();
    copy.#pages = this.#pages;
    copy.#sizeBytes = this.#sizeBytes;
    copy.digest = this.digest;
    copy.#shared = true;
    this.#shared = true;
    return copy;
  }

  page(index: number): Page {
    return this.#pages[index] ?? ZERO_PAGE;
  }

  hasPage(index: number): boolean {
    return this.#pages[index] !== undefined;
  }

  /** Takes the page over: the caller must not change it any more. */
  setPage(index: number, page: Page): void {
    this.#own();
    while (this.#pages.length < index) this.#pages.push(undefined);
    this.#pages[index] = page;
  }

  /** Replaces part of a page. */
  patch(index: number, offset: number, bytes: Uint8Array): void {
    const page = this.page(index).slice();
    page.set(bytes, offset);
    this.setPage(index, page);
  }

  /** Grows to at least `sizeBytes`. */
  extend(sizeBytes: number): void {
    if (sizeBytes <= this.#sizeBytes) return;
    this.#sizeBytes = sizeBytes;
    this.digest = undefined;
  }

  truncate(sizeBytes: number): void {
    const shrinks = sizeBytes < this.#sizeBytes;
    this.#sizeBytes = sizeBytes;
    this.digest = undefined;
    if (shrinks) this.clearBeyondSize();
  }

  /** Invariant: bytes beyond the size are zero, so that growing again shows zeros. */
  clearBeyondSize(): void {
    this.#own();
    const sizeBytes = this.#sizeBytes;
    const kept = Math.ceil(sizeBytes / PAGE_BYTES);
    if (this.#pages.length > kept) this.#pages.length = kept;
    const within = sizeBytes % PAGE_BYTES;
    const index = (sizeBytes - within) / PAGE_BYTES;
    const page = this.#pages[index];
    if (within === 0 || page === undefined) return;
    const cleared = new Uint8Array(PAGE_BYTES);
    cleared.set(page.subarray(0, within));
    this.#pages[index] = cleared;
  }

  /** Replaces bytes and returns the pages that now hold [position, end of source). */
  write(source: Uint8Array, position: number): Page[] {
    const pages: Page[] = [];
    // A write of nothing does not make a file larger.
    if (source.length === 0) return pages;
    const end = position + source.length;
    // One copy for all whole pages: they are cut from it.
    const copy = source.slice();
    for (let at = position; at < end; ) {
      const within = at % PAGE_BYTES;
      const index = (at - within) / PAGE_BYTES;
      const length = Math.min(PAGE_BYTES - within, end - at);
      const piece = copy.subarray(at - position, at - position + length);
      // One page stands for all that hold zeros: files that are filled with them ahead of need take no memory.
      if (length === PAGE_BYTES) this.setPage(index, isZero(piece) ? ZERO_PAGE : piece);
      else this.patch(index, within, piece);
      pages.push(this.page(index));
      at += length;
    }
    this.extend(end);
    return pages;
  }

  read(target: Uint8Array, position: number): number {
    const end = Math.min(this.#sizeBytes, position + target.length);
    let at = position;
    while (at < end) {
      const within = at % PAGE_BYTES;
      const length = Math.min(PAGE_BYTES - within, end - at);
      const page = this.page((at - within) / PAGE_BYTES);
      target.set(page.subarray(within, within + length), at - position);
      at += length;
    }
    return Math.max(0, at - position);
  }

  /** Before every change of a page. */
  #own(): void {
    this.digest = undefined;
    if (!this.#shared) return;
    this.#pages = this.#pages.slice();
    this.#shared = false;
  }
}

function isZero(page: Page): boolean {
  return page[0] === 0 && page[PAGE_BYTES - 1] === 0 && page.every((byte) => byte === 0);
}
