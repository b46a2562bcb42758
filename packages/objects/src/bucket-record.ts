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
  /** What its owner has set: documents by name, opaque here. Why in this record: who may do what is then one read. */
  readonly settings: ReadonlyMap<string, string>;
}

export function encodeBucketRecord(record: BucketRecord): Uint8Array {
  const writer = recordWriter()
    .bytes(record.bucketId)
    .u8(record.deleting ? 1 : 0)
    .varint(record.createdMs)
    .text(record.ownerId)
    .text(record.region);
  // Why nothing for none: it is the record of a bucket from before there were settings.
  if (record.settings.size > 0) writer.varint(record.settings.size);
  for (const [name, document] of record.settings) writer.text(name).text(document);
  return writer.finish();
}

export function decodeBucketRecord(value: Uint8Array): BucketRecord {
  const reader = recordReader(value, 'a bucket record');
  // Why a copy: who remembers a bucket would keep the memory that its value shares with others, 64 KiB for these bytes.
  const bucketId = reader.bytes(ID_SIZE_BYTES).slice();
  const deleting = reader.u8() === 1;
  const createdMs = reader.varint();
  const ownerId = reader.text();
  const region = reader.text();
  const settings = new Map<string, string>();
  for (let rest = reader.remaining === 0 ? 0 : reader.varint(); rest > 0; rest--) {
    settings.set(reader.text(), reader.text());
  }
  return { bucketId, deleting, createdMs, ownerId, region, settings };
}

export function bucketOf(name: string, version: number, record: BucketRecord): Bucket {
  const { createdMs, ownerId, region, settings } = record;
  return { name, version, createdMs, ownerId, region, settings };
}
