import { ID_SIZE_BYTES } from './keys.ts';
import type { Bucket } from './object-store.ts';
import { recordReader, recordWriter } from './record-version.ts';

export interface BucketRecord {
  /** Fresh at each creation, so that a bucket made anew never sees the keys of an old one. */
  readonly bucketId: Uint8Array;
  readonly createdMs: number;
  readonly ownerId: string;
  readonly region: string;
  /** A delete is deciding whether the bucket is empty. A writer takes the mark away. */
  readonly deleting: boolean;
}

export function encodeBucketRecord(record: BucketRecord): Uint8Array {
  return recordWriter()
    .bytes(record.bucketId)
    .u8(record.deleting ? 1 : 0)
    .varint(record.createdMs)
    .text(record.ownerId)
    .text(record.region)
    .finish();
}

export function decodeBucketRecord(value: Uint8Array): BucketRecord {
  const reader = recordReader(value, 'a bucket record');
  const bucketId = reader.bytes(ID_SIZE_BYTES);
  const deleting = reader.u8() === 1;
  const createdMs = reader.varint();
  return { bucketId, deleting, createdMs, ownerId: reader.text(), region: reader.text() };
}

export function bucketOf(name: string, record: BucketRecord): Bucket {
  const { createdMs, ownerId, region } = record;
  return { name, createdMs, ownerId, region };
}
