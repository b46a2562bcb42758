import type { Condition, KvReader, Operation } from '@holdfast/kv';
import { type BucketRecord, decodeBucketRecord, encodeBucketRecord } from './bucket-record.ts';
import { ObjectStoreError } from './errors.ts';
import { bucketKey } from './keys.ts';

/** A bucket's record as it was at one version. */
export interface KnownBucket {
  readonly name: string;
  /** Where its record is. */
  readonly kvKey: Uint8Array;
  readonly version: number;
  readonly record: BucketRecord;
}

/**
 * Looks buckets up and remembers them. A remembered bucket may be gone: a write therefore carries
 * `pin`, and a read that finds nothing under it asks again with `fresh`. What is found under a
 * remembered bucketId proves that the bucket is still there, for only empty buckets are deleted and
 * ids are never used twice.
 */
export class Buckets {
  readonly #kv: KvReader;
  readonly #limit: number;
  readonly #known = new Map<string, KnownBucket>();

  constructor(kv: KvReader, limit: number) {
    this.#kv = kv;
    this.#limit = limit;
  }

  /** As remembered, else `fresh`. */
  known(name: string): KnownBucket | Promise<KnownBucket> {
    return this.#known.get(name) ?? this.fresh(name);
  }

  /** As it is now. NoSuchBucket where it is not. */
  async fresh(name: string): Promise<KnownBucket> {
    const kvKey = this.#known.get(name)?.kvKey ?? bucketKey(name);
    const entry = await this.#kv.get(kvKey);
    if (entry === undefined) {
      this.forget(name);
      throw noSuchBucket(name);
    }
    const known = this.#known.get(name);
    if (known?.version === entry.version) return known;
    const bucket = { name, kvKey, version: entry.version, record: decodeBucketRecord(entry.value) };
    this.#remember(bucket);
    return bucket;
  }

  forget(name: string): void {
    this.#known.delete(name);
  }

  #remember(bucket: KnownBucket): void {
    // A slow read must not replace what a faster, later one found.
    if ((this.#known.get(bucket.name)?.version ?? 0) > bucket.version) return;
    this.#known.delete(bucket.name);
    this.#known.set(bucket.name, bucket);
    if (this.#known.size <= this.#limit) return;
    for (const oldest of this.#known.keys()) {
      this.#known.delete(oldest);
      return;
    }
  }
}

/** Holds in a transaction only if the bucket is still this one, and no delete of it has got ahead. */
export function pinBucket(bucket: KnownBucket): Condition {
  return { kind: 'versionEquals', key: bucket.kvKey, version: bucket.version };
}

/**
 * What a write into the bucket adds to its transaction. Safety: a delete marks the bucket first, looks
 * whether it is empty, and deletes it if the mark is still there. So a write either has the version
 * before the mark, and fails; or takes the mark away, and the delete fails.
 */
export function unmarkBucket(bucket: KnownBucket): Operation[] {
  if (!bucket.record.deleting) return [];
  const value = encodeBucketRecord({ ...bucket.record, deleting: false });
  return [{ kind: 'put', key: bucket.kvKey, value }];
}

function noSuchBucket(name: string): ObjectStoreError {
  return new ObjectStoreError('NoSuchBucket', 'The specified bucket does not exist', {
    bucket: name,
  });
}
