import { type Crc32c, compareBytes, fromUtf8 } from '@holdfast/bytes';
import { KvError } from './errors.ts';
import {
  noteKey,
  SESSION_RANGE_END,
  SESSION_RANGE_START,
  USER_RANGE_END,
  USER_RANGE_START,
} from './key-space.ts';
import type { KvIndex } from './kv-index.ts';
import type { SessionState } from './session-table.ts';
import { decodeSession } from './session-table.ts';
import { StateHash } from './state-hash.ts';

/** The note that holds the hash of the state as of a flush. Not part of the state: it says what this node made of it. */
export const HASH_NOTE = 'state-hash';

/**
 * The hash as of the last flush: what the flush has put down, or, where none did that kept one, of all that there is, which takes
 * as long as reading the index. None where some of that is damaged: the store opens all the same, and nothing is compared.
 */
export async function openHash(index: KvIndex, crc32c: Crc32c): Promise<StateHash | undefined> {
  const hash = new StateHash(crc32c);
  if (index.flushedIndex === 0) return hash;
  const record = await index.get(noteKey(HASH_NOTE));
  if (record?.kind === 'inline' && hash.load(record.value, index.flushedIndex)) return hash;
  try {
    return await hashOfAll(index, crc32c);
  } catch (error) {
    if (!(error instanceof KvError) || error.code !== 'KV_CORRUPTION') throw error;
    return undefined;
  }
}

async function hashOfAll(index: KvIndex, crc32c: Crc32c): Promise<StateHash> {
  const hash = new StateHash(crc32c);
  const source = index.sourceBefore(USER_RANGE_END);
  await source.seek(USER_RANGE_START);
  for (let key = source.key; key !== undefined; key = source.key) {
    if (compareBytes(key, USER_RANGE_END) >= 0) break;
    hash.change(key, undefined, source.record);
    await source.advance();
  }
  return hash;
}

/** The last answers of all clients. */
export async function readSessions(index: KvIndex): Promise<(readonly [string, SessionState])[]> {
  const sessions: (readonly [string, SessionState])[] = [];
  await forEachText(index, SESSION_RANGE_START, SESSION_RANGE_END, (clientId, value) =>
    sessions.push([clientId, decodeSession(value)]),
  );
  return sessions;
}

/** Gives all inline values of a space whose keys are texts. */
export async function forEachText(
  index: KvIndex,
  from: Uint8Array,
  to: Uint8Array,
  take: (text: string, value: Uint8Array) => void,
): Promise<void> {
  // Why not of all tables: damage of a block that is not asked for must not keep the store from starting.
  const source = index.sourceBefore(to);
  await source.seek(from);
  for (let key = source.key; key !== undefined; key = source.key) {
    if (compareBytes(key, to) >= 0) break;
    const record = source.record;
    if (record.kind === 'inline') take(fromUtf8(key.subarray(1)), record.value);
    await source.advance();
  }
}
