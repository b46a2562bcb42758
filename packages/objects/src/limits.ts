import { invariant } from '@holdfast/bytes';

/** Bounds and times of an object store. Every one has a default. */
export interface ObjectStoreLimits {
  /** A body up to this is stored in one transaction together with its record. Default 128 KiB. */
  readonly inlineSizeBytes: number;
  /** Bytes of a chunk of a larger body. Default, and at most, 1 MiB or what the KvStore takes. */
  readonly chunkSizeBytes: number;
  /**
   * Chunks of one body that may be on their way at once, to the hash and to the KvStore. Default 32: what is hashed in the
   * time for which a log stands still now and then, 40 ms.
   */
  readonly chunksInFlight: number;
  /**
   * Chunks of all bodies that may be at the KvStore at once. Default 8: no more than its log takes at once, since
   * what it does not take it has to copy.
   */
  readonly chunksCommitting: number;
  /** Large uploads at once, each with a buffer of one chunk. Default 256. */
  readonly writeBuffers: number;
  /** Large reads at once, each with a buffer of one chunk. Default 256. */
  readonly readBuffers: number;
  /**
   * Buffers of each kind in use up to which a transfer gets more than its one, to read ahead or to have
   * several chunks on their way. So many are kept. Default 32.
   */
  readonly spareBuffers: number;
  /** How long a large upload or read waits for its turn before it is refused as busy. Default 30 s. */
  readonly bufferWaitMs: number;
  /** Age of a read's view after which it is taken anew, and at which a pinned listing ends. Default 10 minutes. */
  readonly readViewAgeMs: number;
  /** Listings that may be pinned to one revision at once. Default 64. */
  readonly pinnedListings: number;
  /**
   * After this process has seen the intent of an upload of another one for so long, in its passes, the upload counts as crashed;
   * 0 where no other process can have one. On the monotonic clock, from the start of the process. Default 24 h.
   */
  readonly intentGraceMs: number;
  /** How long the answer of a Complete, or of a request with a client token, is kept for its retry. Default 24 h. */
  readonly completedUploadMs: number;
  /** Lost races with other processes before a write gives up with ConditionalRequestConflict. Default 64. */
  readonly commitAttempts: number;
  /** Writers of one key that may wait for one another in this process. Default 4096. */
  readonly writersPerKey: number;
  /** Smallest part but the last of a multipart upload. Default 5 MiB, as S3. */
  readonly minPartSizeBytes: number;
  /** Largest body of one put or part. Default 5 GiB, as S3. */
  readonly putSizeLimitBytes: number;
  /** Largest object. Default 5 TiB, as S3. */
  readonly objectSizeLimitBytes: number;
  /** How long a day of a lifecycle rule is. Default 24 h; a test takes less. */
  readonly lifecycleDayMs: number;
  /** Buckets whose record is remembered. Default 1000. */
  readonly cachedBuckets: number;
}

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;
const HOUR_MS = 60 * 60 * 1000;

const DEFAULTS: ObjectStoreLimits = {
  inlineSizeBytes: 128 * KIB,
  chunkSizeBytes: MIB,
  chunksInFlight: 32,
  chunksCommitting: 8,
  writeBuffers: 256,
  readBuffers: 256,
  spareBuffers: 32,
  bufferWaitMs: 30_000,
  readViewAgeMs: 10 * 60 * 1000,
  pinnedListings: 64,
  intentGraceMs: 24 * HOUR_MS,
  completedUploadMs: 24 * HOUR_MS,
  commitAttempts: 64,
  writersPerKey: 4096,
  minPartSizeBytes: 5 * MIB,
  putSizeLimitBytes: 5 * GIB,
  objectSizeLimitBytes: 5 * 1024 * GIB,
  lifecycleDayMs: 24 * HOUR_MS,
  cachedBuckets: 1000,
};

/** Fills in the defaults and refuses what cannot work. */
export function resolveLimits(
  given: Partial<ObjectStoreLimits>,
  valueSizeLimitBytes: number,
): ObjectStoreLimits {
  const limits = { ...DEFAULTS };
  for (const name of Object.keys(DEFAULTS) as (keyof ObjectStoreLimits)[]) {
    const value = given[name] ?? DEFAULTS[name];
    const least = name === 'intentGraceMs' ? 0 : 1;
    invariant(Number.isSafeInteger(value) && value >= least, `${name} must be ${least} or more`);
    Object.assign(limits, { [name]: value });
  }
  const chunkSizeBytes = Math.min(limits.chunkSizeBytes, valueSizeLimitBytes, MIB);
  const inlineSizeBytes = Math.min(limits.inlineSizeBytes, chunkSizeBytes);
  return { ...limits, chunkSizeBytes, inlineSizeBytes };
}

/** Parts of a multipart upload are numbered from 1 to this. */
export const PART_NUMBER_LIMIT = 10_000;
/** Bytes of UTF-8 of an object's key. */
export const KEY_SIZE_LIMIT_BYTES: number = KIB;
/** Bytes of the names and values of user metadata together. */
export const USER_METADATA_LIMIT_BYTES: number = 2 * KIB;
