import type { Checksums, Crc32c } from '@holdfast/bytes';
import { BATCH_HEADER_BYTES, type BatchHeader, encodeBatchHeader } from './batch-header.ts';
import type { BufferPool } from './buffer-pool.ts';
import { roundUpToBlock, viewOf } from './layout.ts';
import { encodeRecord, RECORD_HEADER_BYTES, recordBodyCrc } from './record-codec.ts';
import type { Segment } from './segment.ts';
import type { AppendRequest } from './wal.ts';

/**
 * A batch from its first record to its acknowledgement. Records are encoded straight into the buffer
 * that is written, at the file position that the batch will have.
 */
export class PendingBatch {
  readonly segment: Segment;
  /** Byte offset of the batch in its segment. */
  readonly position: number;
  readonly firstIndex: number;
  /** Most bytes, header included, that the batch may take. */
  readonly limitBytes: number;
  count = 0;
  /** Monotonic time of the first record. */
  openedMs = 0;
  payloadBytes = 0;
  /** Bytes used, header included. */
  length: number = BATCH_HEADER_BYTES;
  /** Records at and above it were truncated after they were appended. */
  truncatedFrom: number = Number.MAX_SAFE_INTEGER;

  readonly #pool: BufferPool;
  readonly #settled: PromiseWithResolvers<void>;
  #buffer: Uint8Array;
  #view: DataView;
  #lowestAwaited = Number.MAX_SAFE_INTEGER;
  #highestAwaited = 0;

  constructor(
    segment: Segment,
    position: number,
    firstIndex: number,
    limitBytes: number,
    pool: BufferPool,
  ) {
    this.segment = segment;
    this.position = position;
    this.firstIndex = firstIndex;
    this.limitBytes = limitBytes;
    this.#pool = pool;
    this.#buffer = pool.take(0);
    this.#view = viewOf(this.#buffer);
    this.#settled = Promise.withResolvers<void>();
    // Why: a batch that nobody waits for may fail too, and that is no unhandled rejection.
    this.#settled.promise.catch(() => undefined);
  }

  get lastIndex(): number {
    return this.firstIndex + this.count - 1;
  }

  /** Bytes on disk. */
  get paddedLength(): number {
    return roundUpToBlock(this.length);
  }

  /**
   * Copies a record of `sizeBytes` to the end. Returns its offset in the segment's file; the body's
   * checksum is then in `lastBodyCrc`.
   */
  add(
    request: AppendRequest,
    index: number,
    bodyLength: number,
    sizeBytes: number,
    checksums: Checksums,
  ): number {
    const at = this.length;
    if (at + sizeBytes > this.#buffer.length) this.#grow(at + sizeBytes);
    encodeRecord(
      this.#buffer,
      this.#view,
      at,
      index,
      request.term,
      request.kind,
      request.head,
      request.body,
      bodyLength,
      request.bodyCrc,
      checksums,
    );
    this.length = at + sizeBytes;
    this.count++;
    this.payloadBytes += request.head.length + bodyLength;
    return this.position + at;
  }

  /** Checksum of the body of the record at this offset of the segment's file. */
  bodyCrcAt(fileOffset: number): number {
    return recordBodyCrc(this.#view, fileOffset - this.position);
  }

  /** Writes the header and zeros the padding: after it the batch may be written. Returns the new chain. */
  seal(
    header: Pick<BatchHeader, 'sequence' | 'durableSeq' | 'previousChain'>,
    crc32c: Crc32c,
  ): number {
    const end = this.paddedLength;
    if (end > this.#buffer.length) this.#grow(end);
    this.#buffer.fill(0, this.length, end);
    return encodeBatchHeader(
      this.#buffer,
      this.#view,
      0,
      this.segment.nonce,
      {
        ...header,
        kind: this.count === 0 ? 'mark' : 'records',
        firstIndex: this.firstIndex,
        count: this.count,
        byteLength: this.length - BATCH_HEADER_BYTES,
        contentCrc: this.count === 0 ? 0 : this.#contentCrc(crc32c),
      },
      crc32c,
    );
  }

  /** The bytes to write. They belong to the batch until it is released. */
  bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.paddedLength);
  }

  /** A view of bytes of the segment's file, where this batch holds them. */
  slice(segmentId: number, offset: number, length: number): Uint8Array | undefined {
    const at = offset - this.position;
    if (segmentId !== this.segment.id || at < 0 || at + length > this.length) return undefined;
    return this.#buffer.subarray(at, at + length);
  }

  /** One promise for all waiters of the batch. */
  whenSettled(index: number): Promise<void> {
    if (index < this.#lowestAwaited) this.#lowestAwaited = index;
    if (index > this.#highestAwaited) this.#highestAwaited = index;
    return this.#settled.promise;
  }

  /** Whether somebody waits for a record that was truncated since. */
  get awaitsTruncated(): boolean {
    return this.#highestAwaited >= this.truncatedFrom;
  }

  resolve(): void {
    this.#settled.resolve();
  }

  reject(error: Error): void {
    this.#settled.reject(error);
  }

  /** Gives the buffer back; nothing of the batch may be read after it. */
  release(): void {
    this.#pool.give(this.#buffer);
  }

  #contentCrc(crc32c: Crc32c): number {
    const crcs = new Uint8Array(4 * this.count);
    const view = viewOf(crcs);
    let at: number = BATCH_HEADER_BYTES;
    for (let position = 0; position < this.count; position++) {
      view.setUint32(4 * position, this.#view.getUint32(at, true), true);
      const sizeBytes =
        RECORD_HEADER_BYTES +
        this.#view.getUint32(at + 4, true) +
        this.#view.getUint32(at + 8, true);
      at += Math.ceil(sizeBytes / 8) * 8;
    }
    return crc32c(crcs);
  }

  #grow(leastBytes: number): void {
    const larger = this.#pool.take(
      Math.max(leastBytes, Math.min(this.#buffer.length * 2, this.limitBytes)),
    );
    larger.set(this.#buffer.subarray(0, this.length));
    this.#pool.give(this.#buffer);
    this.#buffer = larger;
    this.#view = viewOf(larger);
  }
}
