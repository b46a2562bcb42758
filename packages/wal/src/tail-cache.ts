interface CachedRange {
  readonly segmentId: number;
  readonly start: number;
  readonly end: number;
  /** Where its bytes are in the ring. */
  readonly at: number;
}

const FIRST_RING_BYTES = 1024 * 1024;

/**
 * The last bytes written to the log, in a ring: what was just written is read again soonest. The ring
 * grows to its limit, and never allocates after that.
 */
export class TailCache {
  readonly #limitBytes: number;
  #ring: Uint8Array = new Uint8Array(0);
  #ranges: CachedRange[] = [];
  /** Ranges before it are overwritten. */
  #oldest = 0;
  #at = 0;
  #usedBytes = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  get sizeBytes(): number {
    return this.#ring.length;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** Copies bytes of a segment's file that follow all those put before. Too large ones are left out. */
  put(segmentId: number, offset: number, bytes: Uint8Array): void {
    if (bytes.length * 4 > this.#limitBytes) return;
    if (this.#at + bytes.length > this.#ring.length && !this.#grow(bytes.length)) {
      this.#evict(this.#at, this.#ring.length);
      this.#at = 0;
    }
    const end = this.#at + bytes.length;
    this.#evict(this.#at, end);
    this.#ring.set(bytes, this.#at);
    this.#ranges.push({ segmentId, start: offset, end: offset + bytes.length, at: this.#at });
    this.#usedBytes += bytes.length;
    this.#at = end;
  }

  /** A view of cached bytes, valid until the caller's turn ends. */
  find(segmentId: number, offset: number, length: number): Uint8Array | undefined {
    let low = this.#oldest;
    let high = this.#ranges.length - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const range = this.#ranges[middle] as CachedRange;
      if (range.segmentId < segmentId || (range.segmentId === segmentId && range.end <= offset)) {
        low = middle + 1;
      } else if (range.segmentId > segmentId || range.start > offset) {
        high = middle - 1;
      } else {
        if (offset + length > range.end) return undefined;
        const at = range.at + offset - range.start;
        return this.#ring.subarray(at, at + length);
      }
    }
    return undefined;
  }

  /** Forgets what was put at `offset` and behind it: it was withdrawn. */
  dropFrom(segmentId: number, offset: number): void {
    for (;;) {
      const range = this.#ranges.length > this.#oldest ? this.#ranges.at(-1) : undefined;
      if (range === undefined || range.segmentId < segmentId) return;
      if (range.segmentId === segmentId && range.end <= offset) return;
      this.#ranges.pop();
      this.#usedBytes -= range.end - range.start;
    }
  }

  /** Doubles the ring while it may; false where it is at its limit. Only the newest bytes move. */
  #grow(neededBytes: number): boolean {
    const sizeBytes = Math.min(
      this.#limitBytes,
      Math.max(FIRST_RING_BYTES, this.#ring.length * 2, this.#at + neededBytes),
    );
    if (sizeBytes <= this.#ring.length || this.#at + neededBytes > sizeBytes) return false;
    const larger = new Uint8Array(sizeBytes);
    larger.set(this.#ring);
    this.#ring = larger;
    return true;
  }

  /** Forgets the oldest ranges as long as they lie in [start, end) of the ring. */
  #evict(start: number, end: number): void {
    for (;;) {
      const range = this.#ranges[this.#oldest];
      if (range === undefined) break;
      const length = range.end - range.start;
      if (range.at >= end || range.at + length <= start) break;
      this.#oldest++;
      this.#usedBytes -= length;
    }
    if (this.#oldest > 1024 && this.#oldest * 2 > this.#ranges.length) {
      this.#ranges = this.#ranges.slice(this.#oldest);
      this.#oldest = 0;
    }
  }
}
