/**
 * Names for transactions, so that one which is proposed again has one effect: the store remembers the last answer of each
 * client, and each slot is such a client that has one transaction under way at a time. Safety: a slot is free again only
 * when its transaction is answered or given up, and its next one has a higher sequence; so whatever copy of an earlier one
 * is still on its way finds a later sequence or its own answer, and does nothing.
 */
import { ByteReader, startsWithBytes, toHex, utf8 } from '@holdfast/bytes';
import type { Random } from '@holdfast/env';
import type { Transaction } from '@holdfast/kv';

export type Session = NonNullable<Transaction['session']>;

const INSTANCE_BYTES = 8;
/** Names of other clients do not begin with it. */
const PREFIX = '\u0000r';
const FLAG_SESSION = 0x01;
/** Where the client's name stands in the head of an entry, behind its length of one byte, if that is below 128. */
const NAME_OFFSET = 3;
const DIGIT_ZERO = 0x30;

/** The name of a transaction that a slot gave it. */
export interface SlotSession extends Session {
  /** From 0; below the limit. */
  readonly slot: number;
}

export class SessionSlots {
  readonly #instance: string;
  readonly #instanceBytes: Uint8Array;
  readonly #limit: number;
  /** Free slots with the sequence that each used last. The one used last is used next: so few are ever used. */
  readonly #free: SlotSession[] = [];
  #count = 0;

  /** `limit`: transactions under way at once. The instance is drawn anew, so that no earlier start's names come again. */
  constructor(random: Random, limit: number) {
    this.#instance = `${PREFIX}${toHex(random.bytes(INSTANCE_BYTES))}`;
    this.#instanceBytes = utf8(this.#instance);
    this.#limit = limit;
  }

  /** A name that no other transaction has; undefined where all slots are taken. */
  take(): SlotSession | undefined {
    const free = this.#free.pop();
    if (free !== undefined) {
      return { clientId: free.clientId, sequence: free.sequence + 1, slot: free.slot };
    }
    if (this.#count >= this.#limit) return undefined;
    const slot = this.#count++;
    return { clientId: `${this.#instance}${slot}`, sequence: 1, slot };
  }

  /** The transaction of the slot is answered, or nobody waits for it any more. */
  giveBack(session: SlotSession): void {
    this.#free.push(session);
  }

  /**
   * The slot and the sequence in the head of a transaction's entry, where one of these slots named it; undefined elsewhere. Why
   * not `sessionOf` and its text: every node asks it of every transaction, those of other nodes too.
   */
  ownOf(head: Uint8Array): Pick<SlotSession, 'slot' | 'sequence'> | undefined {
    if (((head[1] ?? 0) & FLAG_SESSION) === 0) return undefined;
    const instance = this.#instanceBytes;
    if (!startsWithBytes(head, instance, NAME_OFFSET)) return undefined;
    const digits = NAME_OFFSET + instance.length;
    const end = NAME_OFFSET + (head[NAME_OFFSET - 1] as number);
    let slot = 0;
    for (let at = digits; at < end; at++) slot = slot * 10 + (head[at] as number) - DIGIT_ZERO;
    return { slot, sequence: new ByteReader(head.subarray(end)).varint() };
  }
}

/** The session in the head of a transaction's entry. `docs/formats/kv-entry.md` has the byte table. */
export function sessionOf(head: Uint8Array): Session | undefined {
  if (((head[1] ?? 0) & FLAG_SESSION) === 0) return undefined;
  const reader = new ByteReader(head);
  reader.bytes(2);
  return { clientId: reader.text(), sequence: reader.varint() };
}
