import type { Operation } from '@holdfast/kv';
import { scatter } from './store-entries.ts';

export const CHUNK_BYTES: number = 1024 * 1024;
const KEY_BYTES = 49;
const RECORD_BYTES = 150;
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
  const name = `photos/${hex(scatter(number))}/${hex(number)}.${hex(scatter(number ^ 0x5bd1_e995)).slice(1)}`;
  for (let at = 0; at < name.length; at++) key[17 + at] = name.charCodeAt(at);
  return key;
}

/** A record of the size of an object's, which stays in the index. Its first bytes are the number. */
function objectRecord(number: number): Uint8Array {
  const record = new Uint8Array(RECORD_BYTES);
  const words = new DataView(record.buffer);
  for (let at = 0; at + 4 <= RECORD_BYTES; at += 4) words.setUint32(at, scatter(number + at), true);
  words.setUint32(0, number, true);
  return record;
}

export function putObject(number: number): Operation {
  return { kind: 'put', key: objectKey(number), value: objectRecord(number) };
}

export function chunkKey(number: number): Uint8Array {
  const key = new Uint8Array(CHUNK_KEY_BYTES);
  key[0] = CHUNK_SPACE;
  const words = new DataView(key.buffer);
  for (let at = 0; at < 16; at += 4) words.setUint32(1 + at, scatter(number + at));
  return key;
}

function hex(word: number): string {
  return word.toString(16).padStart(8, '0');
}
