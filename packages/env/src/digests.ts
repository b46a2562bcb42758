import { OperatingError } from '@holdfast/bytes';

/** What S3 names: MD5 for ETags, and all of them for checksums. All digests are big-endian bytes. */
export type DigestAlgorithm =
  | 'md5'
  | 'sha1'
  | 'sha256'
  | 'sha512'
  | 'crc32'
  | 'crc32c'
  | 'crc64nvme'
  | 'xxhash64'
  | 'xxhash3'
  | 'xxhash128';

export type DigestResults = ReadonlyMap<DigestAlgorithm, Uint8Array>;

/** Hashing, behind a port so that large bodies can be hashed off the main thread. */
export interface Digests {
  /** All of them over one buffer, at once, on this thread. For small buffers. */
  compute(algorithms: readonly DigestAlgorithm[], bytes: Uint8Array): DigestResults;
  /**
   * As `compute`, at the end of this turn of the event loop at the latest: small buffers of one turn may be hashed side by side,
   * in less time. A buffer must stay unchanged until then.
   */
  computeSoon(
    algorithms: readonly DigestAlgorithm[],
    bytes: Uint8Array,
  ): DigestResults | Promise<DigestResults>;
  /** An incremental computation, for a body of unknown or large size. */
  stream(algorithms: readonly DigestAlgorithm[]): DigestStream;
  /**
   * A buffer to fill with body bytes and hand to `DigestStream.update`. Where hashing runs in worker
   * threads its memory is shared with them, so that nothing is copied. Not zeroed.
   */
  allocate(sizeBytes: number): Uint8Array;
  /** Stops worker threads. Streams that are open reject. Idempotent. */
  close(): Promise<void>;
}

export interface DigestStream {
  /**
   * Adds bytes, in call order. The buffer must stay unchanged until the promise settles. At most a few
   * updates need be awaited at once: awaiting the one before the last keeps the worker busy.
   */
  update(bytes: Uint8Array): Promise<void>;
  /**
   * As `update`, of a buffer whose whole memory is lent: nobody may touch it, in any view, until the promise gives it back,
   * all of it, perhaps as another object. Where it rejects the memory is lost. Why beside shared memory: V8 copies into and
   * out of that at a third of the speed.
   */
  lend(bytes: Uint8Array): Promise<Uint8Array>;
  /** The results over all updates. Ends the stream. */
  finish(): Promise<DigestResults>;
  /**
   * Gives up: updates under way resolve when their buffer is free, later calls reject with
   * DIGEST_STREAM_ENDED. Idempotent; a no-op after `finish`.
   */
  abort(): void;
}

export type DigestErrorCode =
  /** `update` or `finish` after `finish` or `abort`. */
  | 'DIGEST_STREAM_ENDED'
  /** `Digests.close` was called. */
  | 'DIGESTS_CLOSED'
  /** The thread that hashed the stream died; start again with a new stream. */
  | 'DIGEST_WORKER_FAILED';

/** What the calls of `Digests` and `DigestStream` reject with. */
export class DigestError extends OperatingError {
  override readonly code: DigestErrorCode;
  override readonly retryable: boolean;

  constructor(code: DigestErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.code = code;
    this.retryable = code === 'DIGEST_WORKER_FAILED';
  }
}
