import { ByteReader, ByteWriter, MalformedBytesError } from '@holdfast/bytes';
import { hashKey } from './bloom-filter.ts';
import { sessionKey } from './key-space.ts';
import type { TransactResult } from './kv-store.ts';

/** A version and three varints, most of them small. */
export const SESSION_SIZE_BYTES = 24;

/** What is remembered of a client: its last sequence and the answer it got. */
export interface SessionState {
  readonly sequence: number;
  readonly result: TransactResult;
}

/** A client whose last answer is remembered. */
export interface RememberedClient {
  /** Internal key of its session, and `hashKey` of that. Why kept: each of its transactions writes it. */
  readonly key: Uint8Array;
  readonly keyHash: number;
  state: SessionState;
}

/**
 * The last answer of each client. Bounded: the client that has been silent for the longest count of
 * revisions is forgotten first, the same one on every node, since it depends on the log alone.
 */
export class SessionTable {
  readonly #limit: number;
  /** In order of the last use, oldest first. */
  readonly #clients = new Map<string, RememberedClient>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  get count(): number {
    return this.#clients.size;
  }

  get(clientId: string): SessionState | undefined {
    return this.#clients.get(clientId)?.state;
  }

  /** Remembers an answer. `forgetOldest` is to follow. */
  set(clientId: string, state: SessionState): RememberedClient {
    const client = this.#clients.get(clientId) ?? newClient(clientId, state);
    client.state = state;
    this.#clients.delete(clientId);
    this.#clients.set(clientId, client);
    return client;
  }

  /** Forgets a client where there is one too many; undefined where there is none. */
  forgetOldest(): RememberedClient | undefined {
    if (this.#clients.size <= this.#limit) return undefined;
    for (const [clientId, client] of this.#clients) {
      this.#clients.delete(clientId);
      return client;
    }
    return undefined;
  }

  /** Replaces the content: from a restart, or from another node. */
  load(sessions: Iterable<readonly [string, SessionState]>): void {
    this.#clients.clear();
    const byLastUse = [...sessions].sort(
      ([, left], [, right]) => left.result.revision - right.result.revision,
    );
    for (const [clientId, state] of byLastUse) this.set(clientId, state);
  }
}

function newClient(clientId: string, state: SessionState): RememberedClient {
  const key = sessionKey(clientId);
  return { key, keyHash: hashKey(key), state };
}

/**
 * A session as the value of its internal key, in memory of its own. `docs/formats/kv-entry.md` has the byte table. What was
 * written with `writer` before is gone.
 */
export function encodeSession(
  state: SessionState,
  writer: ByteWriter = new ByteWriter(SESSION_SIZE_BYTES),
): Uint8Array {
  const { sequence, result } = state;
  writer.reset().u8(1).varint(sequence).varint(result.revision);
  // 0: committed; else the failed condition's position plus one.
  return writer.varint(result.committed ? 0 : result.failedCondition + 1).finish();
}

export function decodeSession(value: Uint8Array): SessionState {
  const reader = new ByteReader(value);
  const version = reader.u8();
  if (version !== 1) throw new MalformedBytesError(`session of format ${version}`);
  const sequence = reader.varint();
  const revision = reader.varint();
  const failed = reader.varint();
  if (reader.remaining !== 0) throw new MalformedBytesError('bytes left over in a session');
  if (failed === 0) return { sequence, result: { committed: true, revision } };
  return { sequence, result: { committed: false, revision, failedCondition: failed - 1 } };
}
