import { concatBytes, fromHex, fromUtf8, prefixEnd, toHex, utf8 } from '@holdfast/bytes';
import type { KvStore } from '@holdfast/kv';

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

/** Durable when it resolves: from then on data keys may be sealed with it. */
export async function recordUse(kv: KvStore, used: UsedKey): Promise<void> {
  const key = usageKey(used);
  if ((await kv.get(key)) !== undefined) return;
  await kv.transact({ conditions: [], operations: [{ kind: 'put', key, value: utf8('1') }] });
}

/** Takes back what `recordUse` wrote: nothing is sealed with it any more. */
export async function forgetUse(kv: KvStore, used: UsedKey): Promise<void> {
  await kv.transact({ conditions: [], operations: [{ kind: 'delete', key: usageKey(used) }] });
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
