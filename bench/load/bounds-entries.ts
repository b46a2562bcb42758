import { createMemoryEnv } from '@holdfast/env/memory';
import type { Operation } from '@holdfast/kv';
import { createMemoryStore } from '@holdfast/kv/testing';
import { createObjectStore } from '@holdfast/objects';
import { scatter } from './store-entries.ts';

/**
 * `records`: an object is the one record of it that stays in the index. `objects`: it is all that the object layer writes of
 * it, made by that layer.
 */
export type ObjectShape = 'records' | 'objects';

export const CHUNK_BYTES: number = 1024 * 1024;
/** Body of a whole object: the least that stays where the log wrote it, and a little more. */
export const BODY_BYTES = 1100;
const KEY_BYTES = 49;
const RECORD_BYTES = 150;
const ID_BYTES = 16;
const OBJECT_SPACE = 0x20;
const CHUNK_SPACE = 0x30;
const CHUNK_KEY_BYTES = 21;

/**
 * The key of object `number` as `objects` writes it: a byte of key space, 16 of bucket, and a name of 32 bytes. The
 * order of keys is random against that of numbers, which is the worst for merging.
 */
export function objectKey(number: number): Uint8Array {
  const key = new Uint8Array(KEY_BYTES);
  key[0] = OBJECT_SPACE;
  putName(key, 1 + ID_BYTES, number);
  return key;
}

function putName(bytes: Uint8Array, offset: number, number: number): void {
  const name = `photos/${hex(scatter(number))}/${hex(number)}.${hex(scatter(number ^ 0x5bd1_e995)).slice(1)}`;
  for (let at = 0; at < name.length; at++) bytes[offset + at] = name.charCodeAt(at);
}

/** Makes what is written of object `number`; `objectKey(number)` is the key of its record. */
export async function operationsOf(shape: ObjectShape): Promise<(number: number) => Operation[]> {
  if (shape === 'records') return (number) => [putObject(number)];
  const template = await wholeObject();
  return (number) =>
    template.map(({ kind, key, value }) => ({
      kind,
      key: filled(key, number),
      value: filled(value, number),
    }));
}

/** A record of the size of an object's, which stays in the index. Its first bytes are the number. */
function putObject(number: number): Operation {
  const value = new Uint8Array(RECORD_BYTES);
  const words = new DataView(value.buffer);
  for (let at = 0; at + 4 <= RECORD_BYTES; at += 4) words.setUint32(at, scatter(number + at), true);
  words.setUint32(0, number, true);
  return { kind: 'put', key: objectKey(number), value };
}

/** Bytes, and where in them the name and the id of the blob are. */
interface Template {
  readonly bytes: Uint8Array;
  readonly names: readonly number[];
  readonly ids: readonly number[];
}

interface PutTemplate {
  readonly kind: 'put';
  readonly key: Template;
  readonly value: Template;
}

/** Everything that the object layer writes of one object, with the bucket's id all zero, as in `objectKey`. */
async function wholeObject(): Promise<PutTemplate[]> {
  const env = await createMemoryEnv();
  const kv = createMemoryStore({ clock: env.clock });
  const idle = { push: () => undefined, idle: async () => undefined, close: async () => undefined };
  const store = createObjectStore({ kv, env, tasks: () => idle });
  await store.createBucket('photos', { ownerId: 'me', region: 'us-east-1' });
  const name = objectKey(0).subarray(1 + ID_BYTES);
  const pieces = (async function* () {
    yield new Uint8Array(BODY_BYTES).fill(0xa5);
  })();
  await store.putObject({
    bucket: 'photos',
    key: new TextDecoder().decode(name),
    body: { pieces, sizeBytes: BODY_BYTES },
    metadata: { contentType: 'image/jpeg', user: { camera: 'x100' } },
  });
  const { entries } = await kv.scan({ from: Uint8Array.of(OBJECT_SPACE), limit: 100 });
  await store.close();
  await kv.close();
  const idOf = (space: number): Uint8Array => {
    const found = entries.find(({ key }) => key[0] === space);
    if (found === undefined) throw new Error('the object layer writes objects otherwise by now');
    return found.key.slice(1, 1 + ID_BYTES);
  };
  const [bucketId, blobId] = [idOf(OBJECT_SPACE), idOf(CHUNK_SPACE)];
  const template = (bytes: Uint8Array): Template => {
    for (const at of placesOf(bytes, bucketId)) bytes.fill(0, at, at + ID_BYTES);
    return { bytes, names: placesOf(bytes, name), ids: placesOf(bytes, blobId) };
  };
  return entries.map(({ key, value }) => ({
    kind: 'put',
    key: template(key),
    value: template(value),
  }));
}

function placesOf(bytes: Uint8Array, part: Uint8Array): number[] {
  const places: number[] = [];
  const whole = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = whole.indexOf(part); at >= 0; at = whole.indexOf(part, at + 1)) places.push(at);
  return places;
}

function filled({ bytes, names, ids }: Template, number: number): Uint8Array {
  const made = bytes.slice();
  for (const at of names) putName(made, at, number);
  for (const at of ids) putId(made, at, number);
  return made;
}

export function chunkKey(number: number): Uint8Array {
  const key = new Uint8Array(CHUNK_KEY_BYTES);
  key[0] = CHUNK_SPACE;
  putId(key, 1, number);
  return key;
}

/** One-to-one, and in no order. */
function putId(bytes: Uint8Array, offset: number, number: number): void {
  const words = new DataView(bytes.buffer, bytes.byteOffset + offset, ID_BYTES);
  for (let at = 0; at < ID_BYTES; at += 4) words.setUint32(at, scatter(number + at));
}

function hex(word: number): string {
  return word.toString(16).padStart(8, '0');
}
