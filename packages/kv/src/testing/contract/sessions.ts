import { utf8 } from '@holdfast/bytes';
import { describe, expect, test } from 'vitest';
import type { Transaction } from '../../kv-store.ts';
import type { WithStore } from './harness.ts';
import { commit, contentsOf, del, expectCode, put, textAt } from './harness.ts';

/** Retries of named transactions, and what is kept over a restart. */
export function sessionContract(withStore: WithStore): void {
  describe('sessions', () => {
    test(
      'a retry gets the first answer and has no second effect',
      withStore(async (store) => {
        const transaction = named('client', 1, 'first');
        const first = await store.transact(transaction);
        await commit(store, del('key'));
        expect(await store.transact(transaction)).toEqual(first);
        expect(await store.transact(named('client', 1, 'other bytes'))).toEqual(first);
        expect(await contentsOf(store)).toEqual([]);
      }),
    );

    test(
      'a retry of a transaction whose condition failed gets the same answer',
      withStore(async (store) => {
        const transaction: Transaction = {
          conditions: [{ kind: 'exists', key: utf8('key') }],
          operations: [put('other', '1')],
          session: { clientId: 'client', sequence: 7 },
        };
        const first = await store.transact(transaction);
        expect(first.committed).toBe(false);
        await commit(store, put('key', '1'));
        expect(await store.transact(transaction)).toEqual(first);
        expect(await contentsOf(store)).toEqual(['key=1']);
      }),
    );

    test(
      'two concurrent calls with one name have one effect and one answer',
      withStore(async (store) => {
        const [left, right] = await Promise.all([
          store.transact(named('client', 1, 'left')),
          store.transact(named('client', 1, 'right')),
        ]);
        expect(right).toEqual(left);
        expect(await textAt(store, 'key')).toBe('left');
      }),
    );

    test(
      'a sequence older than the last is stale, and has no effect',
      withStore(async (store) => {
        await store.transact(named('client', 5, 'five'));
        await expectCode(store.transact(named('client', 4, 'four')), 'KV_SESSION_STALE');
        expect(await textAt(store, 'key')).toBe('five');
        expect((await store.transact(named('client', 50, 'fifty'))).committed).toBe(true);
        expect(await textAt(store, 'key')).toBe('fifty');
      }),
    );

    test(
      'clients do not meet, and a session is not a key',
      withStore(async (store) => {
        await store.transact(named('one', 9, 'from one'));
        expect((await store.transact(named('two', 1, 'from two'))).committed).toBe(true);
        expect(await contentsOf(store)).toEqual(['key=from two']);
        expect((await store.scan({ limit: 10 })).entries.length).toBe(1);
      }),
    );

    test(
      'state and answers survive a restart where the store is durable',
      withStore(async (store, { reopen }) => {
        if (reopen === undefined) return;
        const first = await store.transact(named('client', 3, 'three'));
        await commit(store, put('other', '1'));
        const reopened = await reopen();
        try {
          expect(await contentsOf(reopened)).toEqual(['key=three', 'other=1']);
          expect(await reopened.transact(named('client', 3, 'three'))).toEqual(first);
          await expectCode(reopened.transact(named('client', 2, 'two')), 'KV_SESSION_STALE');
          const next = await commit(reopened, put('other', '2'));
          expect(next).toBeGreaterThan(first.revision);
        } finally {
          await reopened.close();
        }
      }),
    );
  });
}

function named(clientId: string, sequence: number, value: string): Transaction {
  return { operations: [put('key', value)], session: { clientId, sequence } };
}
