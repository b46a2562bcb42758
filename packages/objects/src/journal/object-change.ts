import { fromUtf8, utf8 } from '@holdfast/bytes';
import type { Operation } from '@holdfast/kv';
import { recordReader, recordWriter } from '../record-version.ts';

/** What happened to an object: S3's names for it without `s3:`; ObjectLock is ours, and not notified of. */
export type ChangeName =
  | 'ObjectCreated:Put'
  | 'ObjectCreated:Post'
  | 'ObjectCreated:Copy'
  | 'ObjectCreated:CompleteMultipartUpload'
  | 'ObjectRemoved:Delete'
  | 'ObjectRemoved:DeleteMarkerCreated'
  | 'LifecycleExpiration:Delete'
  | 'LifecycleExpiration:DeleteMarkerCreated'
  | 'ObjectTagging:Put'
  | 'ObjectTagging:Delete'
  | 'ObjectAcl:Put'
  | 'ObjectLock:Put';

/** One committed change of an object. */
export interface ObjectChange {
  readonly name: ChangeName;
  readonly bucket: string;
  readonly key: string;
  /** Wall-clock milliseconds of the node that wrote it. */
  readonly timeMs: number;
  readonly sizeBytes: number;
  /** Empty for what was removed. */
  readonly etag: string;
  /** `null` for the null version; undefined in a bucket that never had versions. */
  readonly versionId: string | undefined;
  /** Canonical id of the owner of the object, where one is known. */
  readonly ownerId: string | undefined;
}

/** What is said besides in the queue of a target. */
export interface QueuedDetails {
  /** Of the rule that asked for the event. */
  readonly configurationId: string;
  /** Canonical id of the owner of the bucket. */
  readonly bucketOwnerId: string;
}

/** A change with its place in the order of all. */
export interface PlacedChange extends ObjectChange {
  /** Revision of the transaction that made it. */
  readonly revision: number;
  /** Position within the transaction. */
  readonly position: number;
}

const STAMP_SIZE_BYTES = 10;

/** The operation that writes the change down after `prefix`, in the transaction that makes it. */
export function appendChange(
  prefix: Uint8Array,
  change: ObjectChange,
  queued?: QueuedDetails,
): Operation {
  const writer = recordWriter(256)
    .text(change.name)
    .text(change.bucket)
    .varint(change.timeMs)
    .varint(change.sizeBytes)
    .text(change.etag)
    .text(change.versionId ?? '')
    .text(change.ownerId ?? '')
    .text(queued?.configurationId ?? '');
  if (queued !== undefined) writer.text(queued.bucketOwnerId);
  return { kind: 'append', key: prefix, suffix: utf8(change.key), value: writer.finish() };
}

/** Reads what `appendChange` wrote; `prefixSizeBytes` is the length of the prefix. */
export function readChange(
  { key, value }: { readonly key: Uint8Array; readonly value: Uint8Array },
  prefixSizeBytes: number,
): PlacedChange & QueuedDetails {
  const view = new DataView(key.buffer, key.byteOffset, key.byteLength);
  const reader = recordReader(value, 'a change');
  const name = reader.text() as ChangeName;
  const bucket = reader.text();
  const timeMs = reader.varint();
  const sizeBytes = reader.varint();
  const etag = reader.text();
  const versionId = reader.text();
  const ownerId = reader.text();
  const configurationId = reader.text();
  // An event of an earlier version has no owner of the bucket.
  const bucketOwnerId = reader.remaining > 0 ? reader.text() : ownerId;
  return {
    name,
    bucket,
    key: fromUtf8(key.subarray(prefixSizeBytes + STAMP_SIZE_BYTES)),
    timeMs,
    sizeBytes,
    etag,
    versionId: versionId === '' ? undefined : versionId,
    ownerId: ownerId === '' ? undefined : ownerId,
    configurationId,
    bucketOwnerId,
    revision: Number(view.getBigUint64(prefixSizeBytes)),
    position: view.getUint16(prefixSizeBytes + 8),
  };
}
