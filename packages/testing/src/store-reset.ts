import type { RunningServer } from '@holdfast/server';
import { OWNER_ID } from '@holdfast/server';

type ObjectStore = RunningServer['objects'];
type Version = Awaited<ReturnType<ObjectStore['listObjectVersions']>>['versions'][number];

/** Deletes of one page run at once, so that they share a sync. */
const PAGE = 1_000;
/** Of writers that never end. */
const ATTEMPTS = 100;

/** Deletes every object and bucket; uploads that are open go with their bucket. */
export async function emptyStore(objects: ObjectStore): Promise<void> {
  for (;;) {
    const { buckets, more } = await objects.listBuckets({ limit: PAGE });
    for (const bucket of buckets) await removeBucket(objects, bucket.name);
    if (!more) return;
  }
}

export async function makeBuckets(
  objects: ObjectStore,
  names: readonly string[],
  made: { readonly region: string; readonly settings: ReadonlyMap<string, string> },
): Promise<void> {
  for (const name of names) await objects.createBucket(name, { ownerId: OWNER_ID, ...made });
}

/** What a test did not wait for may be written meanwhile: it is deleted too. */
async function removeBucket(objects: ObjectStore, bucket: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await emptyBucket(objects, bucket);
      await objects.deleteBucket(bucket);
      return;
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined;
      if (code === 'NoSuchBucket') return;
      if (code !== 'BucketNotEmpty' || attempt === ATTEMPTS) throw error;
    }
  }
}

async function emptyBucket(objects: ObjectStore, bucket: string): Promise<void> {
  for (;;) {
    const page = await objects.listObjectVersions({ bucket, limit: PAGE });
    await Promise.all(page.versions.map((version) => deleteVersion(objects, version)));
    if (!page.more) return;
  }
}

/** For good, in spite of a lock: of a test's store nothing must stay. */
async function deleteVersion(
  objects: ObjectStore,
  { bucket, key, versionId }: Version,
): Promise<void> {
  await objects.deleteObject({ bucket, key, versionId, ignoreLock: true });
}
