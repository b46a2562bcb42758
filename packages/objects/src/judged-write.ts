/**
 * Writes whose request was judged by what this node had at hand, which may be old. Safety: they end in a commit that asks
 * for the bucket and the object by which they were judged, or in NotCurrent; never in another answer.
 */
import type { KnownBucket } from './buckets.ts';
import { ObjectStoreError } from './errors.ts';
import type { ObjectStore } from './object-store.ts';

/**
 * A store whose reads look at what this node has at hand and ask no other node (`LocalReads` of kv). Its answers are of now
 * only after `whenCurrent`, for the requests that began before it was called; without it an answer is to be believed only
 * where a commit with `bucketVersion` has proved it.
 */
export interface LocalObjectStore extends ObjectStore {
  /** Resolves when reads see everything that was committed when it was called. KV_UNAVAILABLE. */
  whenCurrent(): Promise<void>;
}

/** A write whose request was judged by a bucket that may be an old one. */
export interface JudgedWrite {
  /**
   * The version of the bucket by which the request was judged: it commits only while the bucket is the same. NotCurrent
   * where it is another, and where there is nothing to commit that would prove what was read. Default: judged by now.
   */
  readonly bucketVersion?: number | undefined;
}

/** NotCurrent where the request was judged by another state of the bucket. */
export function checkJudged(bucket: KnownBucket, { bucketVersion }: JudgedWrite): void {
  if (bucketVersion !== undefined && bucketVersion !== bucket.version) throw notCurrent();
}

/** Nothing that was read proves to be the newest: the request is to be judged again. */
export function notCurrent(): ObjectStoreError {
  return new ObjectStoreError(
    'NotCurrent',
    'The request was judged by what this node had at hand, and that may be old. Please try again.',
  );
}
