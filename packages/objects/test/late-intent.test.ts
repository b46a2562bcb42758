import type { KvStore, Transaction } from '@holdfast/kv';
import { createMemoryStore } from '@holdfast/kv/testing';
import { expect, test } from 'vitest';
import { CUSTOMER_KEY } from './encryption-fixture.ts';
import { getBytes, openFixture, pattern, putBytes } from './fixture.ts';

const LIMITS = { chunkSizeBytes: 1000, inlineSizeBytes: 500 };

/** Applies the n-th transaction after the next one is answered: as in a cluster where its way to the leader is lost. */
function late(inner: KvStore, isLate: (transaction: Transaction) => boolean): KvStore {
  const next = Promise.withResolvers<void>();
  let waits = false;
  const transact: KvStore['transact'] = async (transaction) => {
    if (!waits && isLate(transaction)) {
      waits = true;
      await next.promise;
      return await inner.transact(transaction);
    }
    try {
      return await inner.transact(transaction);
    } finally {
      if (waits) next.resolve();
    }
  };
  return new Proxy(inner, {
    get: (target, name) => {
      if (name === 'transact') return transact;
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

test.each<[string, object, object]>([
  ['plain', {}, {}],
  [
    'encrypted',
    { encryption: { kind: 'customer', key: CUSTOMER_KEY } },
    { customerKey: CUSTOMER_KEY },
  ],
])(
  'a body is stored also where its first chunk comes to the log behind the second: %s',
  async (_, encrypted, withKey) => {
    const inner = createMemoryStore();
    const { again } = await openFixture({ kv: inner, ...LIMITS });
    // The first chunk brings the intent: it is the first transaction that has no condition.
    const { store } = again({ kv: late(inner, ({ conditions = [] }) => conditions.length === 0) });
    const bytes = pattern(5000);
    await putBytes(store, 'k', bytes, encrypted);
    expect(await getBytes(store, 'k', withKey)).toEqual(bytes);
  },
);
