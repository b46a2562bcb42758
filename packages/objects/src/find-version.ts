import { equalBytes } from '@holdfast/bytes';
import type { KvReader } from '@holdfast/kv';
import { noSuchKey } from './conditions.ts';
import { ObjectStoreError } from './errors.ts';
import { markerKvKey, nullVersionKey, objectKvKey, versionKey } from './keys.ts';
import { readRecord } from './latest-version.ts';
import { type ObjectRecord, versionIdText } from './object-record.ts';
import type { StoreContext, VersionedObject } from './store-context.ts';
import { isNullVersion, type VersionName } from './version-id.ts';

/** A version, and where it is. */
export interface FoundVersion extends VersionedObject {
  readonly kvKey: Uint8Array;
  /** Whether it is the latest of its key. */
  readonly isLatest: boolean;
}

/** One version of a key, objects and delete markers alike. */
export async function findVersion(
  context: StoreContext,
  bucketId: Uint8Array,
  key: string,
  name: VersionName,
): Promise<FoundVersion | undefined> {
  const found = await findVersionIn(context.kv, bucketId, key, name);
  if (found !== undefined) return found;
  // Why again: between two of the look-ups a version may have moved from one place to the other.
  const view = await context.kv.readView({ maxAgeMs: context.limits.readViewAgeMs });
  try {
    return await findVersionIn(view, bucketId, key, name);
  } finally {
    view.close();
  }
}

/** As `findVersion`; certain only on a view. */
export async function findVersionIn(
  reader: KvReader,
  bucketId: Uint8Array,
  key: string,
  name: VersionName,
): Promise<FoundVersion | undefined> {
  for (const kvKey of [objectKvKey(bucketId, key), markerKvKey(bucketId, key)]) {
    const latest = await readRecord(reader, kvKey);
    if (latest === undefined) continue;
    if (isNamed(latest.record, name)) return { ...latest, kvKey, isLatest: true };
    break;
  }
  const id = name === 'null' ? (await reader.get(nullVersionKey(bucketId, key)))?.value : name;
  if (id === undefined) return undefined;
  const kvKey = versionKey(bucketId, key, id);
  const older = await readRecord(reader, kvKey);
  if (older === undefined || !isNamed(older.record, name)) return undefined;
  return { ...older, kvKey, isLatest: false };
}

function isNamed({ version }: ObjectRecord, name: VersionName): boolean {
  if (name === 'null') return isNullVersion(version);
  return version !== undefined && !version.isNull && equalBytes(version.id, name);
}

/** Whether two records are of the same bytes: ids of blobs and uploads are never used twice. */
export function haveSameBody(left: ObjectRecord, right: ObjectRecord): boolean {
  const [a, b] = [left.body, right.body];
  if (a.kind === 'blob' && b.kind === 'blob') return equalBytes(a.blob.blobId, b.blob.blobId);
  if (a.kind === 'parts' && b.kind === 'parts') return equalBytes(a.uploadId, b.uploadId);
  return a.kind === b.kind;
}

export function noSuchVersion(key: string, versionId: string): ObjectStoreError {
  const details = { key, versionId };
  return new ObjectStoreError('NoSuchVersion', 'The specified version does not exist.', details);
}

/** The answer to a read where a delete marker is the latest version: as if there were no object. */
export function hiddenByMarker(key: string, marker: ObjectRecord): ObjectStoreError {
  const { message } = noSuchKey(key);
  const versionId = versionIdText(marker.version);
  return new ObjectStoreError('NoSuchKey', message, { key, versionId, deleteMarker: true });
}

/** The answer to a read or a change of a delete marker itself. */
export function markerIsNoObject(key: string, marker: ObjectRecord): ObjectStoreError {
  return new ObjectStoreError(
    'MethodNotAllowed',
    'The specified method is not allowed against this resource.',
    {
      key,
      versionId: versionIdText(marker.version),
      deleteMarker: true,
      modifiedMs: marker.modifiedMs,
    },
  );
}
