import { toHex } from '@holdfast/bytes';
import type { KvReader, KvStore } from '@holdfast/kv';
import { chunkKey, idKey, idOfKey, KEY_SPACE, type KeySpace, spaceRange } from '../src/keys.ts';
import type { BlobRef } from '../src/object-record.ts';
import { decodeObjectRecord } from '../src/object-record.ts';
import { decodeGroupOwner } from '../src/owner-record.ts';
import { decodeManifestPage, decodePartRecord } from '../src/part-record.ts';

/** Every key of a space, with its value. */
async function entriesIn(
  reader: KvReader,
  space: KeySpace,
): Promise<{ readonly key: Uint8Array; readonly value: Uint8Array }[]> {
  const { entries, more } = await reader.scan({ ...spaceRange(space), limit: 100_000 });
  if (more) throw new Error('the test has more keys than it reads');
  return [...entries];
}

export async function countIn(reader: KvReader, space: KeySpace): Promise<number> {
  return (await entriesIn(reader, space)).length;
}

const TO_DOS = [
  'intent',
  'releasedBlob',
  'releasedGroup',
  'leftoverParts',
  'deletedBucket',
] as const;

/** All blobs that an object or a part points at. */
async function liveBlobs(reader: KvReader): Promise<BlobRef[]> {
  const blobs: BlobRef[] = [];
  for (const { value } of await entriesIn(reader, KEY_SPACE.object)) {
    const { body } = decodeObjectRecord(value);
    if (body.kind === 'blob') blobs.push(body.blob);
    if (body.kind !== 'parts') continue;
    const range = spaceRange(KEY_SPACE.manifest, body.uploadId);
    for (const page of (await reader.scan({ ...range, limit: 1000 })).entries) {
      for (const part of decodeManifestPage(page.value)) if (part.blob) blobs.push(part.blob);
    }
  }
  for (const { key, value } of await entriesIn(reader, KEY_SPACE.part)) {
    // Parts of an aborted upload, and what a Complete did not list, may be half swept.
    const group = await reader.get(idKey(KEY_SPACE.partGroup, idOfKey(key)));
    if (group === undefined || decodeGroupOwner(group.value).kind === 'object') continue;
    const { blob } = decodePartRecord(value);
    if (blob) blobs.push(blob);
  }
  return blobs;
}

/**
 * What must hold at every moment: each byte that an object or part points at is there, and its blob
 * is referenced. With `swept`, also that nothing else is there. Returns what is wrong.
 */
export async function violations(kv: KvStore, options: { swept: boolean }): Promise<string[]> {
  const view = await kv.readView();
  try {
    const wrong: string[] = [];
    const expected = new Set<string>();
    const referenced = new Set<string>();
    for (const blob of await liveBlobs(view)) {
      const id = toHex(blob.blobId);
      referenced.add(id);
      if ((await view.get(idKey(KEY_SPACE.reference, blob.blobId))) === undefined) {
        wrong.push(`blob ${id} has no reference`);
      }
      for (let at = 0, number = 0; at < blob.sizeBytes; at += blob.chunkSizeBytes, number++) {
        const key = chunkKey(blob.blobId, number);
        expected.add(toHex(key));
        const size = (await view.get(key))?.valueSizeBytes;
        const wanted = Math.min(blob.chunkSizeBytes, blob.sizeBytes - at);
        if (size !== wanted) wrong.push(`chunk ${number} of ${id}: ${size}, not ${wanted}`);
      }
    }
    if (!options.swept) return wrong;
    for (const { key } of await entriesIn(view, KEY_SPACE.chunk)) {
      if (!expected.has(toHex(key))) wrong.push(`chunk ${toHex(key)} belongs to nothing`);
    }
    for (const { key } of await entriesIn(view, KEY_SPACE.reference)) {
      const id = toHex(idOfKey(key));
      if (!referenced.has(id)) wrong.push(`reference to ${id} belongs to nothing`);
    }
    for (const [space, kind] of [
      [KEY_SPACE.part, 'upload'],
      [KEY_SPACE.manifest, 'object'],
    ] as const) {
      for (const { key } of await entriesIn(view, space)) {
        const group = await view.get(idKey(KEY_SPACE.partGroup, idOfKey(key)));
        if (group !== undefined && decodeGroupOwner(group.value).kind === kind) continue;
        wrong.push(`${toHex(key)} belongs to no ${kind}`);
      }
    }
    for (const space of TO_DOS) {
      const left = await countIn(view, KEY_SPACE[space]);
      if (left > 0) wrong.push(`${left} records of ${space} are left`);
    }
    return wrong;
  } finally {
    view.close();
  }
}
