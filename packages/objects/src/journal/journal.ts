/**
 * Writes down what happens to objects, in the transaction in which it happens: so a crash loses no change that was
 * acknowledged, and invents none. Two places: the change feed, and one queue for each target of notifications.
 *
 * Invariant: every transaction that writes or removes the record of a version carries `operations` of that change.
 */
import { concatBytes, utf8 } from '@holdfast/bytes';
import { type KvStore, type Operation, readsOf } from '@holdfast/kv';
import type { BucketRecord } from '../bucket-record.ts';
import type { KnownBucket } from '../buckets.ts';
import { KEY_SPACE } from '../keys.ts';
import { etagOf, type ObjectRecord, versionIdText } from '../object-record.ts';
import { isVersioned } from '../versioning.ts';
import { type NotificationRule, readNotificationRules, ruleMatches } from './notification-rules.ts';
import { appendChange, type ChangeName, type ObjectChange } from './object-change.ts';

/** What is written down. By default nothing is. */
export interface JournalOptions {
  /** Whether changes are kept for the feed. */
  readonly keepsChanges: boolean;
  /** Whether events for the target are queued: it is there, and its queue is not full. Must be quick. */
  readonly takesEvents: (target: string) => boolean;
  /** Called after each commit that wrote something down. */
  readonly onCommitted: () => void;
}

/** A change as the operation knows it that makes it. */
export interface ChangeOfKey {
  readonly name: ChangeName;
  readonly key: string;
  /** The version that was written, changed or removed. */
  readonly record: ObjectRecord | undefined;
}

/** Start of the keys of the change feed. */
export const CHANGE_PREFIX: Uint8Array = Uint8Array.of(KEY_SPACE.change);

/** Start of the keys of a target's queue. */
export function queuePrefix(target: string): Uint8Array {
  const name = utf8(target);
  return concatBytes([Uint8Array.of(KEY_SPACE.event, name.length), name]);
}

export class Journal {
  readonly #options: JournalOptions | undefined;
  readonly #rules = new WeakMap<BucketRecord, readonly NotificationRule[]>();

  constructor(options: JournalOptions | undefined) {
    this.#options = options;
  }

  /** What the transaction of the change must do besides. */
  operations(bucket: KnownBucket, change: ChangeOfKey, nowMs: number): Operation[] {
    const options = this.#options;
    if (options === undefined) return [];
    const rules = this.#rulesOf(bucket.record);
    if (!options.keepsChanges && rules.length === 0) return [];
    const described = describe(bucket, change, nowMs);
    const operations = options.keepsChanges ? [appendChange(CHANGE_PREFIX, described)] : [];
    for (const rule of rules) {
      if (!ruleMatches(rule, change.name, change.key) || !options.takesEvents(rule.target))
        continue;
      const queued = { configurationId: rule.id, bucketOwnerId: bucket.record.ownerId };
      operations.push(appendChange(queuePrefix(rule.target), described, queued));
    }
    return operations;
  }

  /** The store, telling of each commit that wrote something down. */
  watch(kv: KvStore): KvStore {
    const options = this.#options;
    if (options === undefined) return kv;
    return {
      ...readsOf(kv),
      valueSizeLimitBytes: kv.valueSizeLimitBytes,
      local: kv.local,
      readView: (view) => kv.readView(view),
      close: () => kv.close(),
      transact: async (transaction) => {
        const result = await kv.transact(transaction);
        const appends = transaction.operations.some(({ kind }) => kind === 'append');
        if (appends && result.committed) options.onCommitted();
        return result;
      },
    };
  }

  #rulesOf(record: BucketRecord): readonly NotificationRule[] {
    let rules = this.#rules.get(record);
    if (rules === undefined) {
      rules = readNotificationRules(record.settings);
      this.#rules.set(record, rules);
    }
    return rules;
  }
}

function describe(
  bucket: KnownBucket,
  { name, key, record }: ChangeOfKey,
  nowMs: number,
): ObjectChange {
  const removed = name.startsWith('ObjectRemoved:') || name.startsWith('LifecycleExpiration:');
  return {
    name,
    bucket: bucket.name,
    key,
    timeMs: nowMs,
    sizeBytes: removed ? 0 : (record?.sizeBytes ?? 0),
    etag: removed || record === undefined ? '' : etagOf(record),
    versionId:
      record !== undefined && isVersioned(bucket.record)
        ? versionIdText(record.version)
        : undefined,
    ownerId: record?.metadata.ownerId ?? bucket.record.ownerId,
  };
}
