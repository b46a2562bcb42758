import type { KnownBucket } from './buckets.ts';
import type { DueRemoval } from './lifecycle-pass.ts';
import { expireLatest, expireNoncurrent, removeMarker } from './lifecycle-removals.ts';
import {
  expirationOf,
  type LifecycleRule,
  markerIsDue,
  mostKeptVersions,
  noncurrentDue,
} from './lifecycle-rules.ts';
import type { StoreContext } from './store-context.ts';
import type { WalkedVersion } from './version-walk.ts';

/**
 * Judges versions in the order of a walk: by key, the newest first. Of the key at hand it remembers when the version
 * before was made, how many older versions there were, and the places of the last few of them.
 */
export class KeyHistory {
  readonly #context: StoreContext;
  readonly #bucket: KnownBucket;
  readonly #rules: readonly LifecycleRule[];
  readonly #remembered: number;
  #key: string | undefined;
  #successorMs = 0;
  #newerCount = 0;
  #places: Uint8Array[] = [];
  /** A due delete marker that is the latest of its key, and has no other version so far. */
  #marker: WalkedVersion | undefined;

  constructor(context: StoreContext, bucket: KnownBucket, rules: readonly LifecycleRule[]) {
    this.#context = context;
    this.#bucket = bucket;
    this.#rules = rules;
    this.#remembered = mostKeptVersions(rules);
  }

  /** Before a walk that begins at the start of a key. */
  reset(): void {
    this.#key = undefined;
    this.#marker = undefined;
  }

  /** The key that is done when `version` comes next: none where it is of the same key. */
  keyBefore(version: WalkedVersion | undefined): string | undefined {
    return version?.key === this.#key ? undefined : this.#key;
  }

  /** What is due once `version` is known; undefined for the end of the walk. */
  add(version: WalkedVersion | undefined): DueRemoval[] {
    const due: DueRemoval[] = [];
    if (version?.key !== this.#key) {
      const marker = this.#marker;
      if (marker !== undefined) {
        const run = () => removeMarker(this.#context, this.#bucket, marker);
        due.push({ kind: 'markersRemoved', run });
      }
      this.#key = version?.key;
      this.#newerCount = 0;
      this.#places = [];
    }
    this.#marker = undefined;
    if (version === undefined) return due;
    if (version.isLatest) due.push(...this.#judgeLatest(version));
    else due.push(...this.#judgeOlder(version));
    this.#successorMs = version.record.modifiedMs;
    return due;
  }

  #judgeLatest(version: WalkedVersion): DueRemoval[] {
    const { key, record } = version;
    const { modifiedMs, sizeBytes } = record;
    const { lifecycleDayMs: dayMs } = this.#context.limits;
    const nowMs = this.#context.env.clock.nowMs();
    if (record.body.kind === 'marker') {
      if (markerIsDue(this.#rules, { key, modifiedMs }, nowMs, dayMs)) this.#marker = version;
      return [];
    }
    const subject = { key, sizeBytes, modifiedMs, tagging: record.metadata.tagging };
    const expiration = expirationOf(this.#rules, subject, dayMs);
    if (expiration === undefined || expiration.atMs > nowMs) return [];
    return [{ kind: 'expired', run: () => expireLatest(this.#context, this.#bucket, version) }];
  }

  #judgeOlder(version: WalkedVersion): DueRemoval[] {
    const { key, record } = version;
    const newer = this.#places;
    const kept = noncurrentDue(
      this.#rules,
      {
        key,
        sizeBytes: record.sizeBytes,
        tagging: record.metadata.tagging,
        isMarker: record.body.kind === 'marker',
        sinceMs: this.#successorMs,
        newerCount: this.#newerCount,
      },
      this.#context.env.clock.nowMs(),
      this.#context.limits.lifecycleDayMs,
    );
    this.#newerCount++;
    if (newer.length < this.#remembered) this.#places = [...newer, version.kvKey];
    if (kept === undefined) return [];
    const run = () => expireNoncurrent(this.#context, this.#bucket, version, newer.slice(0, kept));
    return [{ kind: 'noncurrentExpired', run }];
  }
}
