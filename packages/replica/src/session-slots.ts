/**
 * Names for transactions, so that one which is proposed again has one effect: the store remembers the last answer of each
 * client, and each slot is such a client that has one transaction under way at a time. Safety: a slot is free again only
 * when its transaction is answered or given up, and its next one has a higher sequence; so whatever copy of an earlier one
 * is still on its way finds a later sequence or its own answer, and does nothing.
 */
import { ByteReader, toHex } from '@holdfast/bytes';
import type { Random } from '@holdfast/env';
import type { Transaction } from '@holdfast/kv';

export type Session = NonNullable<Transaction['session']>;

const INSTANCE_BYTES = 8;
/** Names of other clients do not begin with it. */
const PREFIX = '\u0000r';
const FLAG_SESSION = 0x01;

export class SessionSlots {
  readonly #instance: string;
  readonly #limit: number;
  /** Free slots with the sequence that each used last. The one used last is used next: so few are ever used. */
  readonly #free: { readonly clientId: string; sequence: number }[] = [];
  #count = 0;

  /** `limit`: transactions under way at once. The instance is drawn anew, so that no earlier start's names come again. */
  constructor(random: Random, limit: number) {
    this.#instance = `${PREFIX}${toHex(random.bytes(INSTANCE_BYTES))}`;
    this.#limit = limit;
  }

  /** A name that no other transaction has; undefined where all slots are taken. */
  take(): Session | undefined {
    const free = this.#free.pop();
    if (free !== undefined) return { clientId: free.clientId, sequence: free.sequence + 1 };
    if (this.#count >= this.#limit) return undefined;
    return { clientId: `${this.#instance}${this.#count++}`, sequence: 1 };
  }

  /** The transaction is answered, or nobody waits for it any more. Other clients' sessions are none of its business. */
  giveBack(session: Session): void {
    if (session.clientId.startsWith(this.#instance)) this.#free.push({ ...session });
  }
}

/** The session in the head of a transaction's entry. `docs/formats/kv-entry.md` has the byte table. */
export function sessionOf(head: Uint8Array): Session | undefined {
  if (((head[1] ?? 0) & FLAG_SESSION) === 0) return undefined;
  const reader = new ByteReader(head);
  reader.bytes(2);
  return { clientId: reader.text(), sequence: reader.varint() };
}
