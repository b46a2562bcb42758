/**
 * One pass of the lifecycle rules over all buckets. Memory is bounded: versions are walked one by one, and what is due
 * waits for at most `BATCH` others. How far the pass has come is durable, so that one that was cut short goes on there.
 */
import { KvError } from '@holdfast/kv';
import { listBuckets } from './bucket-operations.ts';
import type { KnownBucket } from './buckets.ts';
import { ObjectStoreError } from './errors.ts';
import { entriesOf } from './key-range.ts';
import { decodeUploadKey, KEY_SPACE, spaceRange, uploadPrefix } from './keys.ts';
import { KeyHistory } from './lifecycle-history.ts';
import { abortStaleUpload, type RemovalOutcome } from './lifecycle-removals.ts';
import { LIFECYCLE_SETTING, lifecycleOf, prefixesOf, uploadAbortOf } from './lifecycle-rules.ts';
import type { LifecycleReport } from './pass-reports.ts';
import { recordReader, recordWriter } from './record-version.ts';
import { commit, put, remove, type StoreContext } from './store-context.ts';
import { decodeUploadRecord } from './upload-record.ts';
import { VersionWalk } from './version-walk.ts';

/** Removals of one batch run at once, so that they share a sync. */
const BATCH = 32;
/** Versions between two notes of how far the pass has come. */
const NOTE_EVERY = 10_000;
/** Buckets looked up at once. */
const PAGE_BUCKETS = 100;

const POSITION_KEY = spaceRange(KEY_SPACE.lifecyclePass).from;

export type LifecycleCounts = { -readonly [Name in keyof LifecycleReport]: number };

/** Where a pass is: in this bucket, after this key. */
interface Position {
  readonly bucket: string;
  readonly afterKey: string;
}

export async function runLifecyclePass(context: StoreContext): Promise<LifecycleReport> {
  const counts: LifecycleCounts = {
    examined: 0,
    expired: 0,
    noncurrentExpired: 0,
    markersRemoved: 0,
    uploadsAborted: 0,
    locked: 0,
    raced: 0,
  };
  const start = await readPosition(context);
  let failure: unknown;
  const visit = async (bucket: string, afterKey: string): Promise<void> => {
    try {
      await new BucketPass(context, counts, { bucket, afterKey }).run();
    } catch (error) {
      if (error instanceof KvError && error.code === 'KV_CLOSED') throw error;
      // One bucket must not keep the others from their turn.
      if (!(error instanceof ObjectStoreError && error.code === 'NoSuchBucket')) failure ??= error;
    }
  };
  if (start !== undefined) await visit(start.bucket, start.afterKey);
  let after = start?.bucket;
  for (let more = true; more; ) {
    const page = await listBuckets(context, {
      limit: PAGE_BUCKETS,
      ...(after !== undefined && { after }),
    });
    for (const { name, settings } of page.buckets) {
      context.sweeper.throwIfClosed();
      if (settings.has(LIFECYCLE_SETTING)) await visit(name, '');
      after = name;
    }
    more = page.more;
  }
  const noted = (await context.kv.get(POSITION_KEY)) !== undefined;
  if (noted) await commit(context, [], [remove(POSITION_KEY)]);
  if (failure !== undefined) throw failure;
  return counts;
}

async function readPosition(context: StoreContext): Promise<Position | undefined> {
  const entry = await context.kv.get(POSITION_KEY);
  if (entry === undefined) return undefined;
  const reader = recordReader(entry.value, 'the position of the lifecycle pass');
  return { bucket: reader.text(), afterKey: reader.text() };
}

/** A removal that is due, and where it is counted. */
export interface DueRemoval {
  readonly kind: 'expired' | 'noncurrentExpired' | 'markersRemoved' | 'uploadsAborted';
  readonly run: () => Promise<RemovalOutcome>;
}

/** The pass over one bucket. */
class BucketPass {
  readonly #context: StoreContext;
  readonly #counts: LifecycleCounts;
  readonly #name: string;
  #afterKey: string;
  #sinceNote = 0;

  constructor(context: StoreContext, counts: LifecycleCounts, position: Position) {
    this.#context = context;
    this.#counts = counts;
    this.#name = position.bucket;
    this.#afterKey = position.afterKey;
  }

  /** Begins anew, from where it is, when the bucket's record has changed or the view is too old. */
  async run(): Promise<void> {
    for (let attempt = 0; attempt < this.#context.limits.commitAttempts; attempt++) {
      const bucket = await this.#context.buckets.fresh(this.#name);
      if (await this.#runWith(bucket)) return;
    }
  }

  /** Whether the bucket was as it is to the end. */
  async #runWith(bucket: KnownBucket): Promise<boolean> {
    const rules = lifecycleOf(bucket.record)?.rules ?? [];
    const ofVersions = rules.filter(
      ({ expiration, noncurrentExpiration }) => expiration ?? noncurrentExpiration,
    );
    for (const prefix of prefixesOf(ofVersions)) {
      const history = new KeyHistory(this.#context, bucket, ofVersions);
      while (!(await this.#walk(bucket, prefix, history))) {
        if (await this.#hasChanged(bucket)) return false;
      }
    }
    const ofUploads = rules.filter((rule) => rule.abortUploadsAfterDays !== undefined);
    for (const prefix of prefixesOf(ofUploads)) await this.#abortUploads(bucket, prefix, ofUploads);
    return true;
  }

  async #hasChanged(bucket: KnownBucket): Promise<boolean> {
    return (await this.#context.buckets.fresh(this.#name)).version !== bucket.version;
  }

  /** Whether it came to the end: it does not when its view is too old, or the bucket may have changed. */
  async #walk(bucket: KnownBucket, prefix: string, history: KeyHistory): Promise<boolean> {
    const { kv, limits } = this.#context;
    const view = await kv.readView({ maxAgeMs: limits.readViewAgeMs });
    try {
      const afterKey = this.#afterKey === '' ? {} : { afterKey: this.#afterKey };
      const walk = await VersionWalk.open(view, bucket, { prefix, ...afterKey });
      try {
        return await this.#walkVersions(bucket, walk, history);
      } finally {
        walk.close();
      }
    } catch (error) {
      if (error instanceof KvError && error.code === 'KV_VIEW_CLOSED') return false;
      throw error;
    } finally {
      view.close();
    }
  }

  async #walkVersions(
    bucket: KnownBucket,
    walk: VersionWalk,
    history: KeyHistory,
  ): Promise<boolean> {
    history.reset();
    let due: DueRemoval[] = [];
    for (;;) {
      this.#context.sweeper.throwIfClosed();
      const version = await walk.next();
      const done = history.keyBefore(version);
      due.push(...history.add(version));
      if (version !== undefined) this.#counts.examined++;
      if (due.length < BATCH && version !== undefined && this.#sinceNote++ < NOTE_EVERY) continue;
      const raced = await this.#remove(due);
      due = [];
      if (done !== undefined) await this.#note(done);
      if (version === undefined) return true;
      if (raced && (await this.#hasChanged(bucket))) return false;
    }
  }

  /** Whether something came first: then the bucket's rules may have changed too. */
  async #remove(due: readonly DueRemoval[]): Promise<boolean> {
    const outcomes = await Promise.all(due.map(({ run }) => run()));
    due.forEach(({ kind }, index) => {
      const outcome = outcomes[index] as RemovalOutcome;
      this.#counts[outcome === 'removed' ? kind : outcome]++;
    });
    return outcomes.includes('raced');
  }

  /** All versions of `key` are done. */
  async #note(key: string): Promise<void> {
    this.#afterKey = key;
    if (this.#sinceNote < NOTE_EVERY) return;
    this.#sinceNote = 0;
    const value = recordWriter().text(this.#name).text(key).finish();
    await commit(this.#context, [], [put(POSITION_KEY, value)]);
  }

  async #abortUploads(
    bucket: KnownBucket,
    prefix: string,
    rules: Parameters<typeof uploadAbortOf>[0],
  ): Promise<void> {
    const { kv, limits, env, sweeper } = this.#context;
    const { bucketId } = bucket.record;
    const range = spaceRange(KEY_SPACE.upload, uploadPrefix(bucketId, prefix).subarray(1));
    for await (const { key: kvKey, value, version } of entriesOf(kv, range)) {
      sweeper.throwIfClosed();
      const { key, uploadId } = decodeUploadKey(kvKey);
      const { initiatedMs } = decodeUploadRecord(value);
      this.#counts.examined++;
      const abort = uploadAbortOf(rules, { key, initiatedMs }, limits.lifecycleDayMs);
      if (abort === undefined || abort.atMs > env.clock.nowMs()) continue;
      const upload = { kvKey, version, uploadId };
      const run = (): Promise<RemovalOutcome> => abortStaleUpload(this.#context, bucket, upload);
      await this.#remove([{ kind: 'uploadsAborted', run }]);
    }
  }
}
