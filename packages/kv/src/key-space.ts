import { utf8 } from '@holdfast/bytes';

/**
 * The first byte of an internal key says what it is the key of. User keys come last, so that a new
 * internal space never lies between them.
 */
const SESSION_SPACE = 0x01;
/** What the node or its cluster must remember, and no user sees. */
const NOTE_SPACE = 0x02;

/** First byte of the internal key of a user's key. */
export const USER_SPACE = 0x10;

/** Everything a user can reach: `[USER_RANGE_START, USER_RANGE_END)` of the internal keys. */
export const USER_RANGE_START: Uint8Array = Uint8Array.of(USER_SPACE);
export const USER_RANGE_END: Uint8Array = Uint8Array.of(USER_SPACE + 1);
export const SESSION_RANGE_START: Uint8Array = Uint8Array.of(SESSION_SPACE);
export const SESSION_RANGE_END: Uint8Array = Uint8Array.of(SESSION_SPACE + 1);
export const NOTE_RANGE_START: Uint8Array = Uint8Array.of(NOTE_SPACE);
export const NOTE_RANGE_END: Uint8Array = Uint8Array.of(NOTE_SPACE + 1);

/** The internal key of a user's key. */
export function userKey(key: Uint8Array): Uint8Array {
  const internal = new Uint8Array(key.length + 1);
  internal[0] = USER_SPACE;
  internal.set(key, 1);
  return internal;
}

/** The user's key of an internal one, as an array of its own. */
export function publicKey(internal: Uint8Array): Uint8Array {
  // Why a copy: a view of a small array makes V8 move that out of its heap first, which costs five times as much.
  return internal.slice(1);
}

/** Whether the bytes are an internal key of a user's key of legal length. */
export function isUserKey(internal: Uint8Array): boolean {
  return internal[0] === USER_SPACE && internal.length > 1;
}

/** The internal key of a client's session. */
export function sessionKey(clientId: string): Uint8Array {
  return textKey(SESSION_SPACE, clientId);
}

/** The internal key of a note. */
export function noteKey(name: string): Uint8Array {
  return textKey(NOTE_SPACE, name);
}

function textKey(space: number, text: string): Uint8Array {
  const bytes = utf8(text);
  const internal = new Uint8Array(bytes.length + 1);
  internal[0] = space;
  internal.set(bytes, 1);
  return internal;
}
