/**
 * What the nodes of a cluster agree on about their master keys: one record, changed by transactions that ask whether it is as
 * it was read, so that every decision is made in apply. ADR 0028.
 *
 * Safety, in this order: a version becomes the present one when every member has said that it has it, as its first; it is given
 * up (`closeUse`) when every member has said that it seals with another; it is forgotten (`forgetUse`) when nothing is sealed
 * with it any more. Whatever was sealed before and is stored after the second step is refused by its own transaction.
 */
import { fromUtf8, utf8 } from '@holdfast/bytes';
import type { Condition, KvStore, Operation } from '@holdfast/kv';
import { z } from 'zod';
import { isOpen, readUse, type UsedKey, useOperation } from './key-usage.ts';

/** The name under which the master key seals. */
export const MASTER_KEY_ID = 'master';

/** Key of the record. `docs/formats/keys.md` lists all key spaces. */
const AGREEMENT = Uint8Array.of(0x63);

const schema = z.object({
  version: z.literal(1),
  present: z.string().optional(),
  nodes: z.record(
    z.string(),
    z.object({ keys: z.array(z.string()), seals: z.string().optional() }),
  ),
});

/** What a node has said of its keys, as fingerprints. */
export interface NodeKeys {
  /** Those of its file, the first one first. */
  readonly keys: readonly string[];
  /** The one with which it seals; undefined for a node that has none. */
  readonly seals?: string | undefined;
}

export interface KeyAgreement {
  /** What seals; undefined before any node had a key. */
  readonly present?: string | undefined;
  readonly nodes: Readonly<Record<string, NodeKeys>>;
}

export interface StoredAgreement {
  readonly agreement: KeyAgreement;
  /** Holds while nobody has changed it since it was read. */
  readonly unchanged: Condition;
}

/** The present version, and what a transaction asks for that stores what it sealed. */
export interface AgreedKey {
  readonly fingerprint: string;
  readonly stillSeals: Condition;
}

export async function readAgreement(kv: KvStore): Promise<StoredAgreement> {
  const stored = await kv.get(AGREEMENT);
  if (stored === undefined) {
    return { agreement: { nodes: {} }, unchanged: { kind: 'absent', key: AGREEMENT } };
  }
  const { version: _, ...agreement } = schema.parse(JSON.parse(fromUtf8(stored.value)));
  return {
    agreement,
    unchanged: { kind: 'versionEquals', key: AGREEMENT, version: stored.version },
  };
}

/** Writes the agreement where it is still as `before`; whether it was. */
export async function changeAgreement(
  kv: KvStore,
  before: StoredAgreement,
  agreement: KeyAgreement,
): Promise<boolean> {
  const operations: Operation[] = [
    { kind: 'put', key: AGREEMENT, value: utf8(JSON.stringify({ version: 1, ...agreement })) },
  ];
  const { present } = agreement;
  if (present !== undefined && present !== before.agreement.present) {
    operations.push(useOperation(masterKey(present), 'open'));
  }
  const { committed } = await kv.transact({ conditions: [before.unchanged], operations });
  return committed;
}

/** The present version as this process may seal with it; undefined where there is none. */
export async function agreedKey(kv: KvStore): Promise<AgreedKey | undefined> {
  for (;;) {
    const { agreement, unchanged } = await readAgreement(kv);
    const { present } = agreement;
    if (present === undefined) return undefined;
    const use = await readUse(kv, masterKey(present));
    if (use !== undefined && isOpen(use)) {
      const stillSeals = { kind: 'versionEquals', key: use.key, version: use.version } as const;
      return { fingerprint: present, stillSeals };
    }
    // Another has become the present one between the two reads; or what a store alone has made of its keys is found here.
    const operations = [useOperation(masterKey(present), 'open')];
    await kv.transact({ conditions: [unchanged], operations });
  }
}

/**
 * The version that becomes the present one: the one that every member has as its first. undefined where there is none,
 * or it is so already.
 */
export function nextPresent(
  { present, nodes }: KeyAgreement,
  members: readonly string[],
): string | undefined {
  const [first] = members;
  const wanted = first === undefined ? undefined : nodes[first]?.keys[0];
  if (wanted === undefined || wanted === present) return undefined;
  return members.every((member) => nodes[member]?.keys[0] === wanted) ? wanted : undefined;
}

/** Members that are not known to seal with the present version. */
export function notSealing(
  { present, nodes }: KeyAgreement,
  members: readonly string[],
): readonly string[] {
  return members.filter((member) => nodes[member]?.seals !== present);
}

function masterKey(fingerprint: string): UsedKey {
  return { kind: 'master', keyId: MASTER_KEY_ID, fingerprint };
}
