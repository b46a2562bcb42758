import { utf8 } from '@holdfast/bytes';
import type { BucketRecord } from './bucket-record.ts';
import { encodeBucketRecord } from './bucket-record.ts';
import { pinBucket } from './buckets.ts';
import { ObjectStoreError } from './errors.ts';
import { bucketKey } from './keys.ts';
import { type DefaultRetention, hasObjectLock, OBJECT_LOCK_SETTING } from './object-lock.ts';
import { commit, put, type StoreContext } from './store-context.ts';
import { VERSIONING_SETTING, versioningOf } from './versioning.ts';

/** All settings of one bucket together. Why: they are one value, and a value may have 1 MiB. */
const SETTINGS_LIMIT_BYTES = 512 * 1024;

/** Sets one document of a bucket, or takes it away: durable, and seen by every later `getBucket`. */
export async function putBucketSetting(
  context: StoreContext,
  name: string,
  setting: string,
  document: string | undefined,
): Promise<void> {
  await changeSettings(context, name, () => ({ [setting]: document }));
}

/**
 * Writes pin their bucket's record. So a write either has the state before, and commits before it; or it is
 * judged anew by the state after.
 */
export async function putBucketVersioning(
  context: StoreContext,
  name: string,
  state: 'Enabled' | 'Suspended',
): Promise<void> {
  await changeSettings(context, name, (bucket) => {
    if (state === 'Suspended' && hasObjectLock(bucket)) {
      throw new ObjectStoreError(
        'InvalidBucketState',
        'An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.',
        { bucket: name },
      );
    }
    return { [VERSIONING_SETTING]: state };
  });
}

export async function putBucketObjectLock(
  context: StoreContext,
  name: string,
  retention: DefaultRetention | undefined,
): Promise<void> {
  await changeSettings(context, name, (bucket) => {
    if (versioningOf(bucket) !== 'enabled') {
      throw new ObjectStoreError(
        'InvalidBucketState',
        "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration",
        { bucket: name },
      );
    }
    return { [OBJECT_LOCK_SETTING]: JSON.stringify(retention ?? {}) };
  });
}

async function changeSettings(
  context: StoreContext,
  name: string,
  change: (bucket: BucketRecord) => Readonly<Record<string, string | undefined>>,
): Promise<void> {
  for (let attempt = 0; attempt < context.limits.commitAttempts; attempt++) {
    const bucket = await context.buckets.fresh(name);
    const settings = new Map(bucket.record.settings);
    for (const [setting, document] of Object.entries(change(bucket.record))) {
      if (document === undefined) settings.delete(setting);
      else settings.set(setting, document);
    }
    checkSettingsSize(settings);
    // A delete that is looking whether the bucket is empty loses to this, as to any write.
    const record = { ...bucket.record, settings, deleting: false };
    const failed = await commit(
      context,
      [pinBucket(bucket)],
      [put(bucketKey(name), encodeBucketRecord(record))],
    );
    context.buckets.forget(name);
    if (failed === undefined) return;
  }
  throw bucketIsBusy(name);
}

/** OperationAborted: other processes won too many races. */
export function bucketIsBusy(name: string): ObjectStoreError {
  return new ObjectStoreError(
    'OperationAborted',
    'A conflicting operation is in progress on this bucket. Please try again.',
    { bucket: name },
  );
}

function checkSettingsSize(settings: ReadonlyMap<string, string>): void {
  let size = 0;
  for (const [name, document] of settings) size += utf8(name).length + utf8(document).length;
  if (size <= SETTINGS_LIMIT_BYTES) return;
  throw new ObjectStoreError(
    'InvalidRequest',
    `The settings of a bucket may be at most ${SETTINGS_LIMIT_BYTES} bytes together.`,
  );
}
