import { utf8 } from '@holdfast/bytes';
import { describe, expect, test } from 'vitest';
import type { Condition, Operation, Transaction } from '../../kv-store.ts';
import type { WithStore } from './harness.ts';
import { commit, contentsOf, expectCode, put } from './harness.ts';

/** Limits and every error that a caller can cause. */
export function refusalContract(withStore: WithStore): void {
  describe('refusals', () => {
    test('keys of no byte and of more than 4096 bytes are refused', withStore(badKeys));

    test(
      'a value of 1 MiB is taken, and one byte more is refused',
      withStore(async (store) => {
        expect(store.valueSizeLimitBytes).toBe(1024 * 1024);
        const largest = new Uint8Array(store.valueSizeLimitBytes);
        await commit(store, { kind: 'put', key: utf8('a'), value: largest });
        const larger = new Uint8Array(store.valueSizeLimitBytes + 1);
        const operation: Operation = { kind: 'put', key: utf8('b'), value: larger };
        await expectCode(
          store.transact({ operations: [put('c', ''), operation] }),
          'KV_VALUE_TOO_LARGE',
        );
        expect((await store.scan({ limit: 5, values: false })).entries.length).toBe(1);
      }),
    );

    test(
      'a transaction of more than 2 MiB is refused whole, and one just below is taken',
      withStore(async (store) => {
        const value = new Uint8Array(1024 * 1024 - 4096);
        const two = ['a', 'b'].map((key): Operation => ({ kind: 'put', key: utf8(key), value }));
        const third: Operation = { kind: 'put', key: utf8('c'), value: new Uint8Array(8192) };
        await expectCode(
          store.transact({ operations: [...two, third] }),
          'KV_TRANSACTION_TOO_LARGE',
        );
        expect(await store.scan({ limit: 1 })).toEqual({ entries: [], more: false });
        await commit(store, ...two);
      }),
    );

    test(
      'a transaction of 16,384 conditions and operations is taken, and one more is refused',
      withStore(async (store) => {
        const conditions = ['a', 'b'].map((key) => ({ kind: 'absent' as const, key: utf8(key) }));
        const operations = Array.from({ length: 16_383 }, (_, at) => put(`${at}`, ''));
        await expectCode(store.transact({ conditions, operations }), 'KV_TRANSACTION_TOO_LARGE');
        expect(await store.get(utf8('0'))).toBeUndefined();
        await commit(store, ...operations, put('last', ''));
        expect(await store.get(utf8('last'))).toBeDefined();
      }),
    );

    test('arguments that mean nothing are refused', withStore(badArguments));

    test(
      'a closed store refuses everything, and closing twice is no error',
      withStore(async (store) => {
        await commit(store, put('a', '1'));
        const view = await store.readView();
        await store.close();
        await store.close();
        await expectCode(store.transact({ operations: [] }), 'KV_CLOSED');
        await expectCode(store.get(utf8('a')), 'KV_CLOSED');
        await expectCode(store.getInto(utf8('a'), new Uint8Array(1)), 'KV_CLOSED');
        await expectCode(store.scan({ limit: 1 }), 'KV_CLOSED');
        await expectCode(store.cursor({}), 'KV_CLOSED');
        await expectCode(store.readView(), 'KV_CLOSED');
        await expectCode(view.get(utf8('a')), 'KV_VIEW_CLOSED');
        view.close();
      }),
    );

    test(
      'transactions that run when the store is closed are finished first',
      withStore(async (store) => {
        const running = Array.from({ length: 20 }, (_, turn) =>
          store.transact({ operations: [put(`${turn}`, '')] }),
        );
        await store.close();
        const results = await Promise.all(running);
        expect(results.every((result) => result.committed)).toBe(true);
      }),
    );
  });
}

const badKeys: Parameters<WithStore>[0] = async (store) => {
  const empty = new Uint8Array(0);
  const long = new Uint8Array(4097);
  const value = new Uint8Array(1);
  const cases = [
    [empty, 'KV_INVALID_ARGUMENT'],
    [long, 'KV_KEY_TOO_LARGE'],
  ] as const;
  for (const [key, code] of cases) {
    const operations: readonly Operation[] = [
      { kind: 'put', key, value },
      { kind: 'delete', key },
    ];
    const conditions: readonly Condition[] = [
      { kind: 'exists', key },
      { kind: 'absent', key },
      { kind: 'versionEquals', key, version: 1 },
    ];
    for (const operation of operations) {
      await expectCode(store.transact({ operations: [put('a', ''), operation] }), code);
    }
    for (const condition of conditions) {
      await expectCode(store.transact({ conditions: [condition], operations: [] }), code);
    }
    await expectCode(store.get(key), code);
    await expectCode(store.getInto(key, value), code);
  }
  expect(await contentsOf(store)).toEqual([]);
};

const badArguments: Parameters<WithStore>[0] = async (store) => {
  for (const limit of [0, -1, 1.5, Number.NaN]) {
    await expectCode(store.scan({ limit }), 'KV_INVALID_ARGUMENT');
  }
  const sessions: Transaction['session'][] = [
    { clientId: '', sequence: 1 },
    { clientId: 'x'.repeat(257), sequence: 1 },
    { clientId: 'a', sequence: -1 },
    { clientId: 'a', sequence: 1.5 },
  ];
  for (const session of sessions) {
    if (session === undefined) continue;
    await expectCode(store.transact({ operations: [], session }), 'KV_INVALID_ARGUMENT');
  }
  for (const version of [-1, 0.5, Number.NaN]) {
    const condition: Condition = { kind: 'versionEquals', key: utf8('a'), version };
    await expectCode(
      store.transact({ conditions: [condition], operations: [] }),
      'KV_INVALID_ARGUMENT',
    );
  }
  for (const crc of [-1, 0.5, 2 ** 32, Number.NaN]) {
    const operation: Operation = { kind: 'put', key: utf8('a'), value: utf8('1'), crc };
    await expectCode(store.transact({ operations: [operation] }), 'KV_INVALID_ARGUMENT');
  }
};
