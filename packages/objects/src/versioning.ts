import type { BucketRecord } from './bucket-record.ts';

/** Names of the settings of a bucket that this package reads; all others are opaque. */
export const VERSIONING_SETTING = 'versioning';

/** `off`: was never switched on. Once on, it can only be suspended. */
export type VersioningState = 'off' | 'enabled' | 'suspended';

export function versioningOf(bucket: Pick<BucketRecord, 'settings'>): VersioningState {
  const setting = bucket.settings.get(VERSIONING_SETTING);
  if (setting === 'Enabled') return 'enabled';
  return setting === 'Suspended' ? 'suspended' : 'off';
}

/** Whether keys of the bucket may have more than one version. */
export function isVersioned(bucket: Pick<BucketRecord, 'settings'>): boolean {
  return versioningOf(bucket) !== 'off';
}
