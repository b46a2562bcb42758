import { concatBytes, fromHex, fromUtf8, prefixEnd, toHex, utf8 } from '@holdfast/bytes';
import type { Condition, KvEntryWithValue, KvStore, Operation } from '@holdfast/kv';

/** Key space of the versions of keys that seal data keys: this byte, kind (1), fingerprint (8), the key's name. */
const USAGE_SPACE = 0x61;
const KIND = { master: 2, named: 3 } as const;
const FINGERPRINT_BYTES = 8;
const HEAD_BYTES = 2 + FINGERPRINT_BYTES;
const PAGE = 200;

export type KeyKind = keyof typeof KIND;

/** A version of a key that has sealed, or may have, data keys of this store. */
export interface UsedKey {
  readonly kind: KeyKind;
  readonly keyId: string;
  readonly fingerprint: string;
}

/** Whether the version may seal, or what it sealed is only being sealed with another. */
export type Use = 'open' | 'closed';
const USE_TEXT = { open: '1', closed: '2' } as const;

/** The record of a version; undefined for one that seals nothing. */
export async function readUse(kv: KvStore, used: UsedKey): Promise<KvEntryWithValue | undefined> {
  return await kv.get(usageKey(used));
}

export function isOpen({ value }: KvEntryWithValue): boolean {
  return fromUtf8(value) === USE_TEXT.open;
}

export function useOperation(used: UsedKey, use: Use): Operation {
  return { kind: 'put', key: usageKey(used), value: utf8(USE_TEXT[use]) };
}

/** Durable when it resolves: from then on data keys may be sealed with it. */
export async function recordUse(kv: KvStore, used: UsedKey): Promise<void> {
  if ((await readUse(kv, used)) !== undefined) return;
  await kv.transact({ operations: [useOperation(used, 'open')] });
}

/** Nothing may be stored any more that it sealed: what asks for its record as it was is refused. Whether `condition` held. */
export async function closeUse(kv: KvStore, used: UsedKey, condition: Condition): Promise<boolean> {
  const operations = [useOperation(used, 'closed')];
  return (await kv.transact({ conditions: [condition], operations })).committed;
}

/**
 * Takes back what is known of its use: nothing is sealed with it any more. With `version`, only where the record is still
 * that one.
 */
export async function forgetUse(kv: KvStore, used: UsedKey, version?: number): Promise<boolean> {
  const key = usageKey(used);
  const conditions: Condition[] =
    version === undefined ? [] : [{ kind: 'versionEquals', key, version }];
  return (await kv.transact({ conditions, operations: [{ kind: 'delete', key }] })).committed;
}

export async function listUse(kv: KvStore): Promise<readonly UsedKey[]> {
  const found: UsedKey[] = [];
  let from = Uint8Array.of(USAGE_SPACE);
  const to = prefixEnd(from) as Uint8Array;
  for (;;) {
    const page = await kv.scan({ from, to, limit: PAGE, values: false });
    for (const { key } of page.entries) {
      found.push({
        kind: key[1] === KIND.master ? 'master' : 'named',
        fingerprint: toHex(key.subarray(2, HEAD_BYTES)),
        keyId: fromUtf8(key.subarray(HEAD_BYTES)),
      });
      from = concatBytes([key, Uint8Array.of(0)]) as Uint8Array<ArrayBuffer>;
    }
    if (!page.more) return found;
  }
}

function usageKey({ kind, keyId, fingerprint }: UsedKey): Uint8Array {
  return concatBytes([Uint8Array.of(USAGE_SPACE, KIND[kind]), fromHex(fingerprint), utf8(keyId)]);
}
