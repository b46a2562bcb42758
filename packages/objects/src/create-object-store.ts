import type { Env } from '@holdfast/env';
import { type KvStore, type LocalReads, readsOf } from '@holdfast/kv';
import { abortMultipartUpload } from './abort-multipart-upload.ts';
import { createBucket, deleteBucket, getBucket, listBuckets } from './bucket-operations.ts';
import { putBucketObjectLock, putBucketSetting, putBucketVersioning } from './bucket-settings.ts';
import { Buckets } from './buckets.ts';
import { BufferPool } from './buffer-pool.ts';
import { completeMultipartUpload } from './complete-multipart-upload.ts';
import { copyObject, uploadPartCopy } from './copy-object.ts';
import { createMultipartUpload } from './create-multipart-upload.ts';
import { deleteObject } from './delete-object.ts';
import { GarbageCollector } from './garbage-collector.ts';
import { getObject, headObject } from './get-object.ts';
import { Journal, type JournalOptions } from './journal/journal.ts';
import type { LocalObjectStore } from './judged-write.ts';
import { KeyLocks } from './key-locks.ts';
import type { KeyService } from './key-service.ts';
import { LifecycleWorker } from './lifecycle-worker.ts';
import { type ObjectStoreLimits, resolveLimits } from './limits.ts';
import { listMultipartUploads } from './list-multipart-uploads.ts';
import { listObjectParts } from './list-object-parts.ts';
import { listObjectVersions } from './list-object-versions.ts';
import { listObjects } from './list-objects.ts';
import { getMultipartUpload, listParts } from './list-parts.ts';
import type { ObjectStore } from './object-store.ts';
import { transactObjects } from './object-transaction.ts';
import { PinnedViews } from './pinned-views.ts';
import { putObject } from './put-object.ts';
import { renameObject } from './rename-object.ts';
import { rewrapKeys } from './rewrap-keys.ts';
import { Slots } from './slots.ts';
import type { StoreContext } from './store-context.ts';
import { Sweeper } from './sweeper.ts';
import type { TaskQueueFactory } from './task-queue.ts';
import {
  putObjectAccess,
  putObjectLegalHold,
  putObjectRetention,
  putObjectTagging,
} from './update-object.ts';
import { uploadPart } from './upload-part.ts';

export interface ObjectStoreOptions extends Partial<ObjectStoreLimits> {
  readonly kv: KvStore;
  readonly env: Env;
  /** Makes the queues of the sweeper and of the lifecycle rules. */
  readonly tasks: TaskQueueFactory;
  /** Seals what asks for encryption with the store's own key. Default: that is refused. */
  readonly masterKeys?: KeyService;
  /** Seals what asks for encryption with a key by its name. Default: there is no such key. */
  readonly namedKeys?: KeyService;
  /** What is written down of every change. Default: nothing. */
  readonly journal?: JournalOptions;
}

/**
 * The object store on a KvStore, which stays the caller's. What an earlier process left to be swept is
 * queued at once.
 */
export function createObjectStore(options: ObjectStoreOptions): ObjectStore {
  const context = createContext(options);
  const collector = new GarbageCollector(context);
  const lifecycle = new LifecycleWorker(context, options.tasks);
  const background: Background = {
    collectGarbage: () => collector.run(),
    runLifecycle: () => lifecycle.run(),
    close: async () => {
      await collector.close();
      await lifecycle.close();
      context.pinnedViews.closeAll();
      await context.sweeper.close();
    },
  };
  const { local } = context.kv;
  return {
    ...operationsOn(context, background),
    local: local && localStore(context, local, background),
  };
}

/** What runs beside requests: one of each, whichever reads the requests have. */
type Background = Pick<ObjectStore, 'collectGarbage' | 'runLifecycle' | 'close'>;

function localStore(
  context: StoreContext,
  reads: LocalReads,
  background: Background,
): LocalObjectStore {
  const kv: KvStore = {
    ...readsOf(reads),
    valueSizeLimitBytes: context.kv.valueSizeLimitBytes,
    readView: (view) => reads.readView(view),
    transact: (transaction) => context.kv.transact(transaction),
    close: () => context.kv.close(),
  };
  // What is remembered of buckets is of these reads too.
  const buckets = new Buckets(kv, context.limits.cachedBuckets);
  return {
    ...operationsOn({ ...context, kv, buckets }, background),
    whenCurrent: () => reads.whenCurrent(),
  };
}

function operationsOn(context: StoreContext, background: Background): ObjectStore {
  const bind =
    <Args extends readonly unknown[], Result>(
      operation: (context: StoreContext, ...args: Args) => Promise<Result>,
    ) =>
    (...args: Args): Promise<Result> =>
      operation(context, ...args);
  return {
    createBucket: bind(createBucket),
    getBucket: bind(getBucket),
    putBucketSetting: bind(putBucketSetting),
    putBucketVersioning: bind(putBucketVersioning),
    putBucketObjectLock: bind(putBucketObjectLock),
    deleteBucket: bind(deleteBucket),
    listBuckets: bind(listBuckets),
    putObject: bind(putObject),
    headObject: bind(headObject),
    getObject: (request) => getObject(context, request),
    deleteObject: bind(deleteObject),
    listObjects: bind(listObjects),
    copyObject: bind(copyObject),
    renameObject: bind(renameObject),
    transactObjects: bind(transactObjects),
    putObjectAccess: bind(putObjectAccess),
    putObjectTagging: bind(putObjectTagging),
    putObjectRetention: bind(putObjectRetention),
    putObjectLegalHold: bind(putObjectLegalHold),
    listObjectVersions: bind(listObjectVersions),
    listObjectParts: bind(listObjectParts),
    createMultipartUpload: bind(createMultipartUpload),
    uploadPart: bind(uploadPart),
    uploadPartCopy: bind(uploadPartCopy),
    completeMultipartUpload: bind(completeMultipartUpload),
    abortMultipartUpload: bind(abortMultipartUpload),
    getMultipartUpload: bind(getMultipartUpload),
    listParts: bind(listParts),
    listMultipartUploads: bind(listMultipartUploads),
    rewrapKeys: (shouldStop) => rewrapKeys(context, shouldStop),
    ...background,
  };
}

function createContext(options: ObjectStoreOptions): StoreContext {
  const { env, tasks, masterKeys, namedKeys } = options;
  const journal = new Journal(options.journal);
  const kv = journal.watch(options.kv);
  const limits = resolveLimits(options, kv.valueSizeLimitBytes);
  const { bufferWaitMs: waitMs, spareBuffers: spareCount } = limits;
  const pool = { clock: env.clock, waitMs, spareCount };
  return {
    kv,
    env,
    masterKeys,
    namedKeys,
    limits,
    buckets: new Buckets(kv, limits.cachedBuckets),
    locks: new KeyLocks(limits.writersPerKey),
    writeBuffers: new BufferPool({
      ...pool,
      count: limits.writeBuffers,
      make: () => new Uint8Array(limits.chunkSizeBytes),
    }),
    sharedWriteBuffers: new BufferPool({
      ...pool,
      count: limits.writeBuffers,
      make: () => env.digests.allocate(limits.chunkSizeBytes),
    }),
    pinnedViews: new PinnedViews(kv, env, {
      count: limits.pinnedListings,
      ageMs: limits.readViewAgeMs,
    }),
    chunkCommits: new Slots(limits.chunksCommitting),
    readBuffers: new BufferPool({
      ...pool,
      count: limits.readBuffers,
      make: () => new Uint8Array(limits.chunkSizeBytes),
    }),
    sharedReadBuffers: new BufferPool({
      ...pool,
      count: limits.readBuffers,
      make: () => env.digests.allocate(limits.chunkSizeBytes),
    }),
    sweeper: new Sweeper(kv, () => env.clock.nowMs(), tasks),
    journal,
    liveBlobs: new Set(),
  };
}
