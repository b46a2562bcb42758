const KEY_SIZE_BYTES = 24;
const VALUE_SIZE_BYTES = 100;
const PREFIX = Buffer.from('objects/');
const HEX = Buffer.from('0123456789abcdef');

/** The key of entry `number`: 24 bytes, the order of keys being random against that of numbers. */
export function entryKey(number: number): Uint8Array {
  const key = new Uint8Array(KEY_SIZE_BYTES);
  key.set(PREFIX);
  putHex(key, PREFIX.length, scatter(number));
  putHex(key, PREFIX.length + 8, scatter(number ^ 0x5bd1_e995));
  return key;
}

/** The value of entry `number`: 100 bytes that do not compress; the first four are the number. */
export function entryValue(number: number): Uint8Array {
  const value = new Uint8Array(VALUE_SIZE_BYTES);
  const words = new DataView(value.buffer);
  words.setUint32(0, number, true);
  let state = number + 1;
  for (let at = 4; at < VALUE_SIZE_BYTES; at += 4) {
    state = Math.imul(state, 1_664_525) + 1_013_904_223;
    words.setUint32(at, scatter(state), true);
  }
  return value;
}

/** Throws where `value` is not that of entry `number`. */
export function checkValue(value: Uint8Array | undefined, number: number): void {
  if (value === undefined || value.length !== VALUE_SIZE_BYTES)
    throw new Error(`entry ${number} has ${value?.length} bytes`);
  const found = new DataView(value.buffer, value.byteOffset).getUint32(0, true);
  if (found !== number) throw new Error(`the value of entry ${found} for entry ${number}`);
}

/** One-to-one on 32-bit numbers (the finalizer of MurmurHash3, public domain). */
export function scatter(number: number): number {
  let hash = number;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function putHex(bytes: Uint8Array, offset: number, word: number): void {
  for (let digit = 0; digit < 8; digit++) {
    bytes[offset + digit] = HEX[(word >>> (28 - digit * 4)) & 15] as number;
  }
}
