import type { Bucket } from './object-store.ts';

export interface ListBucketsOptions {
  /** At most so many, 1 to 10000. */
  readonly limit: number;
  readonly prefix?: string;
  /** Names after this one, exclusive. */
  readonly after?: string;
  /** Only buckets of this owner. */
  readonly ownerId?: string;
}

export interface ListBucketsPage {
  readonly buckets: readonly Bucket[];
  readonly more: boolean;
}
