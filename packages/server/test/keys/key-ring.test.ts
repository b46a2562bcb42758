import { toHex } from '@holdfast/bytes';
import { createNodeEnv } from '@holdfast/env/node';
import type { KvStore } from '@holdfast/kv';
import { createMemoryStore } from '@holdfast/kv/testing';
import { expect, test } from 'vitest';
import { KeyRing, type KeyRingOptions, type KeyVersions } from '../../src/keys/key-ring.ts';
import { listUse } from '../../src/keys/key-usage.ts';
import { gate, turn } from '../gate.ts';

const env = await createNodeEnv();
const NAME = 'a key';
const [OLD, NEW] = [1, 2].map((byte) => new Uint8Array(32).fill(byte)) as [Uint8Array, Uint8Array];

function ringOn(kv: KvStore, more: Partial<KeyRingOptions> = {}): KeyRing {
  const load = async (): Promise<KeyVersions> => new Map([[NAME, [NEW, OLD]]]);
  return new KeyRing({ env, kv, kind: 'named', defaultKeyId: NAME, load, ...more });
}

/** The store, whose transactions wait for `before`. */
function slowed(kv: KvStore, before: () => Promise<void>): KvStore {
  const transact: KvStore['transact'] = async (transaction) => {
    await before();
    return await kv.transact(transaction);
  };
  return new Proxy(kv, {
    get: (target, name) => {
      if (name === 'transact') return transact;
      const value = Reflect.get(target, name) as unknown;
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

/** Sealed by a ring that has the older version only. */
async function sealedBefore(kv: KvStore): Promise<Uint8Array> {
  const older = ringOn(kv, { load: async () => new Map([[NAME, [OLD]]]) });
  return (await older.generateDataKey(NAME)).sealed;
}

test.each([
  ['a new data key', (ring: KeyRing) => ring.generateDataKey(NAME)],
  [
    'a data key that is sealed anew',
    (ring: KeyRing, sealed: Uint8Array) => ring.rewrap(NAME, sealed),
  ],
])(
  '%s is given out when the store remembers what it is sealed with, and not before',
  async (_, seal) => {
    const kv = createMemoryStore();
    const sealed = await sealedBefore(kv);
    const storing = gate();
    const ring = ringOn(
      slowed(kv, async () => {
        storing.reached();
        await storing.opened;
      }),
    );
    let given = 0;
    const both = [seal(ring, sealed), seal(ring, sealed)].map((one) => one.then(() => given++));
    await storing.arrival;
    await turn();
    expect(given).toBe(0);
    storing.open();
    await Promise.all(both);
    const used = await listUse(kv);
    expect(used.map(({ fingerprint }) => fingerprint)).toContain(
      (await ring.fingerprints(NAME))[0],
    );
  },
);

test('where the store cannot remember it no data key is given out, and the next one tries again', async () => {
  const kv = createMemoryStore();
  let isFailing = true;
  const ring = ringOn(
    slowed(kv, async () => {
      if (isFailing) throw new Error('the volume is full');
    }),
  );
  await expect(ring.generateDataKey(NAME)).rejects.toThrow('full');
  await expect(ring.generateDataKey(NAME)).rejects.toThrow('full');
  isFailing = false;
  const { plain, sealed } = await ring.generateDataKey(NAME);
  expect(toHex(await ring.unwrap(NAME, sealed))).toBe(toHex(plain));
  expect(await listUse(kv)).toHaveLength(1);
});

test('keys that could not be read are read again by who asks next', async () => {
  let isFailing = true;
  const ring = ringOn(createMemoryStore(), {
    load: async () => {
      if (isFailing) throw new Error('the file is being written');
      return new Map([[NAME, [NEW]]]);
    },
  });
  await expect(ring.generateDataKey(NAME)).rejects.toThrow('written');
  isFailing = false;
  const { plain, sealed } = await ring.generateDataKey(NAME);
  expect(toHex(await ring.unwrap(NAME, sealed))).toBe(toHex(plain));
});

test('a ring that is not to seal anew leaves a data key of an older version as it is', async () => {
  const kv = createMemoryStore();
  const sealed = await sealedBefore(kv);
  expect(await ringOn(kv, { rewraps: false }).rewrap(NAME, sealed)).toBeUndefined();
  expect(await listUse(kv)).toHaveLength(1);
  expect(await ringOn(kv).rewrap(NAME, sealed)).toBeDefined();
  expect(await listUse(kv)).toHaveLength(2);
});
