import { ByteReader, ByteWriter, MalformedBytesError } from '@holdfast/bytes';
import type { TransactResult } from './kv-store.ts';

/** What is remembered of a client: its last sequence and the answer it got. */
export interface SessionState {
  readonly sequence: number;
  readonly result: TransactResult;
}

/**
 * The last answer of each client. Bounded: the client that has been silent for the longest count of
 * revisions is forgotten first, the same one on every node, since it depends on the log alone.
 */
export class SessionTable {
  readonly #limit: number;
  /** In order of the last use, oldest first. */
  readonly #sessions = new Map<string, SessionState>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  get count(): number {
    return this.#sessions.size;
  }

  get(clientId: string): SessionState | undefined {
    return this.#sessions.get(clientId);
  }

  /** Remembers an answer; returns the client that was forgotten for it, if any. */
  set(clientId: string, state: SessionState): string | undefined {
    this.#sessions.delete(clientId);
    this.#sessions.set(clientId, state);
    if (this.#sessions.size <= this.#limit) return undefined;
    const [oldest] = this.#sessions.keys();
    if (oldest !== undefined) this.#sessions.delete(oldest);
    return oldest;
  }

  /** Replaces the content: from a restart, or from another node. */
  load(sessions: Iterable<readonly [string, SessionState]>): void {
    this.#sessions.clear();
    const byLastUse = [...sessions].sort(
      ([, left], [, right]) => left.result.revision - right.result.revision,
    );
    for (const [clientId, state] of byLastUse) this.#sessions.set(clientId, state);
  }
}

/** A session as the value of its internal key. `docs/formats/kv-entry.md` has the byte table. */
export function encodeSession(state: SessionState): Uint8Array {
  const { sequence, result } = state;
  const writer = new ByteWriter(24).u8(1).varint(sequence).varint(result.revision);
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
