import type { Files } from '@holdfast/env';
import { roundUpToBlock } from './layout.ts';

const LEAST_BYTES = 64 * 1024;
/** Two in flight, one gathering, one in reserve. */
const KEPT_BUFFERS = 4;

/** Buffers fit for direct I/O, kept for the next batch. They come back dirty. */
export class BufferPool {
  readonly #files: Files;
  #free: Uint8Array[] = [];
  #lentBytes = 0;

  constructor(files: Files) {
    this.#files = files;
  }

  get sizeBytes(): number {
    return this.#free.reduce((sum, buffer) => sum + buffer.length, this.#lentBytes);
  }

  /** A buffer of at least `leastBytes`: the largest free one if it will do. */
  take(leastBytes: number): Uint8Array {
    const largest = this.#free.at(-1);
    if (largest !== undefined && largest.length >= leastBytes) {
      this.#free.pop();
      this.#lentBytes += largest.length;
      return largest;
    }
    const buffer = this.#files.allocate(roundUpToBlock(Math.max(leastBytes, LEAST_BYTES)));
    this.#lentBytes += buffer.length;
    return buffer;
  }

  give(buffer: Uint8Array): void {
    this.#lentBytes -= buffer.length;
    this.#free.push(buffer);
    this.#free.sort((left, right) => left.length - right.length);
    if (this.#free.length > KEPT_BUFFERS) this.#free.shift();
  }
}
