/** Letting go of bytes that nothing refers to any more. */

import { toHex } from '@holdfast/bytes';
import type { Operation } from '@holdfast/kv';
import { chunkKey, idKey, KEY_SPACE } from './keys.ts';
import type { BlobRef, ObjectBody } from './object-record.ts';
import { encodeMoment } from './owner-record.ts';
import { put, remove } from './store-context.ts';
import type { SweepTask } from './sweeper.ts';

/** A blob of so few chunks is deleted in the transaction that lets it go; a larger one is swept. */
const DIRECT_CHUNK_LIMIT = 8;

/** Operations of the transaction that lets go, and what the sweeper has to do once it committed. */
export interface Release {
  readonly operations: readonly Operation[];
  readonly tasks: readonly SweepTask[];
}

export const NO_RELEASE: Release = { operations: [], tasks: [] };

function chunkCount(blob: BlobRef): number {
  return Math.ceil(blob.sizeBytes / blob.chunkSizeBytes);
}

/** Lets go of a committed blob. */
export function releaseBlob(blob: BlobRef, nowMs: number): Release {
  const unreferenced = remove(idKey(KEY_SPACE.reference, blob.blobId));
  const count = chunkCount(blob);
  if (count > DIRECT_CHUNK_LIMIT) {
    const release = releaseById('blob', blob.blobId, nowMs);
    return { ...release, operations: [unreferenced, ...release.operations] };
  }
  const operations = [unreferenced];
  for (let number = 0; number < count; number++) {
    operations.push(remove(chunkKey(blob.blobId, number)));
  }
  return { operations, tasks: [] };
}

/** Lets go of all parts of an upload, or of the object that was completed from it. */
export function releaseGroup(uploadId: Uint8Array, nowMs: number): Release {
  const release = releaseById('group', uploadId, nowMs);
  const operations = [remove(idKey(KEY_SPACE.partGroup, uploadId)), ...release.operations];
  return { ...release, operations };
}

/** Lets go of an object's bytes, whatever holds them. */
export function releaseBody(body: ObjectBody | undefined, nowMs: number): Release {
  if (body?.kind === 'blob') return releaseBlob(body.blob, nowMs);
  if (body?.kind === 'parts') return releaseGroup(body.uploadId, nowMs);
  return NO_RELEASE;
}

const TO_DO_SPACE = {
  blob: KEY_SPACE.releasedBlob,
  group: KEY_SPACE.releasedGroup,
  leftovers: KEY_SPACE.leftoverParts,
  bucket: KEY_SPACE.deletedBucket,
} as const;

/** Writes down, durably, that something is to be swept. */
export function releaseById(kind: SweepTask['kind'], id: Uint8Array, nowMs: number): Release {
  return {
    operations: [put(idKey(TO_DO_SPACE[kind], id), encodeMoment(nowMs))],
    tasks: [{ kind, id: toHex(id) }],
  };
}
