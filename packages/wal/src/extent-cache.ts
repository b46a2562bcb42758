/** Larger extents are streamed, not kept. */
const CACHED_EXTENT_LIMIT_BYTES: number = 128 * 1024;

/** Small extents that were read from a file and verified; least recently used out first, bound in bytes. */
export class ExtentCache {
  readonly #limitBytes: number;
  // A map keeps the order of insertion: the first is the least recently used.
  readonly #extents = new Map<string, Uint8Array>();
  #usedBytes = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  get(segmentId: number, offset: number, length: number): Uint8Array | undefined {
    const key = `${segmentId}:${offset}`;
    const bytes = this.#extents.get(key);
    if (bytes === undefined || bytes.length !== length) return undefined;
    this.#extents.delete(key);
    this.#extents.set(key, bytes);
    return bytes;
  }

  /** Keeps a copy, if it is small enough. */
  put(segmentId: number, offset: number, bytes: Uint8Array): void {
    if (bytes.length > CACHED_EXTENT_LIMIT_BYTES || bytes.length > this.#limitBytes) return;
    const key = `${segmentId}:${offset}`;
    this.#remove(key);
    this.#extents.set(key, bytes.slice());
    this.#usedBytes += bytes.length;
    for (const oldest of this.#extents.keys()) {
      if (this.#usedBytes <= this.#limitBytes) break;
      this.#remove(oldest);
    }
  }

  /** Forgets what is of a segment that is no more. */
  dropSegment(segmentId: number): void {
    for (const key of this.#extents.keys()) {
      if (key.startsWith(`${segmentId}:`)) this.#remove(key);
    }
  }

  #remove(key: string): void {
    const bytes = this.#extents.get(key);
    if (bytes === undefined) return;
    this.#extents.delete(key);
    this.#usedBytes -= bytes.length;
  }
}
