/** Small records of ownership: who a blob or a group of parts belongs to, and what waits to be swept. */
import { ID_SIZE_BYTES } from './keys.ts';
import { newerField, recordReader, recordWriter } from './record-version.ts';

/** What keeps a blob alive. */
export type BlobOwner =
  | { readonly kind: 'object'; readonly bucketId: Uint8Array; readonly key: string }
  | { readonly kind: 'part'; readonly uploadId: Uint8Array };

export function encodeBlobOwner(owner: BlobOwner): Uint8Array {
  const writer = recordWriter(64);
  if (owner.kind === 'part') return writer.u8(2).bytes(owner.uploadId).finish();
  return writer.u8(1).bytes(owner.bucketId).text(owner.key).finish();
}

export function decodeBlobOwner(value: Uint8Array): BlobOwner {
  const reader = recordReader(value, 'a blob reference');
  if (reader.u8() === 2) return { kind: 'part', uploadId: reader.bytes(ID_SIZE_BYTES) };
  return { kind: 'object', bucketId: reader.bytes(ID_SIZE_BYTES), key: reader.text() };
}

/** What keeps the parts of an upload alive: the open upload, or the object completed from it. */
export interface GroupOwner {
  readonly kind: 'upload' | 'object';
  readonly bucketId: Uint8Array;
  readonly key: string;
  /** Of an object: the version that it is; undefined for the null version. */
  readonly versionId?: Uint8Array | undefined;
}

export function encodeGroupOwner(owner: GroupOwner): Uint8Array {
  const kind = owner.kind === 'upload' ? 1 : 2;
  const writer = recordWriter(96).u8(kind).bytes(owner.bucketId).text(owner.key);
  if (owner.versionId !== undefined) writer.bytes(owner.versionId);
  return writer.finish();
}

export function decodeGroupOwner(value: Uint8Array): GroupOwner {
  const reader = recordReader(value, 'a part group');
  const code = reader.u8();
  if (code !== 1 && code !== 2) throw newerField('what keeps the parts of an upload');
  const kind = code === 1 ? 'upload' : 'object';
  const bucketId = reader.bytes(ID_SIZE_BYTES);
  const key = reader.text();
  const versionId = reader.remaining === 0 ? undefined : reader.bytes(ID_SIZE_BYTES);
  return { kind, bucketId, key, versionId };
}

/** An intent, or a to-do of the sweeper: its value is the wall-clock time at which it was made. For people: nothing is decided by it. */
export function encodeMoment(timeMs: number): Uint8Array {
  return recordWriter(16).varint(timeMs).finish();
}
