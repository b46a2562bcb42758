import { fromUtf8, utf8 } from '@holdfast/bytes';
import { describe, expect, test } from 'vitest';
import type { Condition, Operation, TransactResult } from '../../kv-store.ts';
import type { WithStore } from './harness.ts';
import {
  commit,
  contentsOf,
  del,
  expectEntry,
  failedConditionOf,
  patterned,
  put,
  textAt,
} from './harness.ts';

/** Conditions, order, atomicity and versions. */
export function transactionContract(withStore: WithStore): void {
  describe('transactions', () => {
    test(
      'an empty store has no keys, and an empty transaction commits',
      withStore(async (store) => {
        expect(await contentsOf(store)).toEqual([]);
        expect((await store.transact({ operations: [] })).committed).toBe(true);
        expect(await contentsOf(store)).toEqual([]);
      }),
    );

    test(
      'a put is read back, replaced by a later put and gone after a delete',
      withStore(async (store) => {
        const first = await commit(store, put('a', 'one'));
        expectEntry(await store.get(utf8('a')), utf8('a'), utf8('one'), first);
        const second = await commit(store, put('a', 'two'));
        expect(second).toBeGreaterThan(first);
        expectEntry(await store.get(utf8('a')), utf8('a'), utf8('two'), second);
        await commit(store, del('a'));
        expect(await store.get(utf8('a'))).toBeUndefined();
      }),
    );

    test(
      'deleting a key that is not there is no error',
      withStore(async (store) => {
        await commit(store, del('nothing'));
        expect(await contentsOf(store)).toEqual([]);
      }),
    );

    test(
      'operations are done in order within a transaction',
      withStore(async (store) => {
        await commit(store, put('a', '1'), del('a'), put('b', '1'), put('b', '2'), put('a', '3'));
        expect(await contentsOf(store)).toEqual(['a=3', 'b=2']);
        await commit(store, put('c', '1'), del('c'), del('a'), put('a', '4'), del('b'));
        expect(await contentsOf(store)).toEqual(['a=4']);
      }),
    );

    test(
      'all keys of a transaction get its revision as version, and others keep theirs',
      withStore(async (store) => {
        const first = await commit(store, put('a', '1'), put('b', '1'));
        const second = await commit(store, put('b', '2'), put('c', '2'));
        const versions = (await store.scan({ limit: 10 })).entries.map((entry) => entry.version);
        expect(versions).toEqual([first, second, second]);
      }),
    );

    test('each kind of condition decides as it says', withStore(conditionsDecide));

    test(
      'conditions see the state before the operations of their own transaction',
      withStore(async (store) => {
        const condition: Condition = { kind: 'absent', key: utf8('a') };
        const result = await store.transact({
          conditions: [condition],
          operations: [put('a', '1')],
        });
        expect(result.committed).toBe(true);
      }),
    );

    test(
      'each of several conditions is decided by its own key',
      withStore(async (store) => {
        await commit(store, put('a', '1'), put('b', '1'));
        const result = await store.transact({
          conditions: [
            { kind: 'exists', key: utf8('a') },
            { kind: 'exists', key: utf8('b') },
            { kind: 'absent', key: utf8('c') },
          ],
          operations: [put('c', '1')],
        });
        expect(result.committed).toBe(true);
      }),
    );

    test(
      'a transaction whose condition fails does nothing and names the first that failed',
      withStore(async (store) => {
        await commit(store, put('a', '1'));
        const result = await store.transact({
          conditions: [
            { kind: 'exists', key: utf8('a') },
            { kind: 'exists', key: utf8('x') },
            { kind: 'absent', key: utf8('a') },
          ],
          operations: [put('b', '1'), del('a'), put('c', '1')],
        });
        expect(result.committed).toBe(false);
        expect(failedConditionOf(result)).toBe(1);
        expect(await contentsOf(store)).toEqual(['a=1']);
      }),
    );

    test(
      'concurrent transactions are applied in call order',
      withStore(async (store) => {
        const results = await Promise.all(
          Array.from({ length: 200 }, (_, turn) =>
            store.transact({ operations: [put('last', `${turn}`), put(`key-${turn}`, '')] }),
          ),
        );
        const revisions = results.map((result) => result.revision);
        expect(revisions).toEqual(revisions.toSorted((left, right) => left - right));
        expect(new Set(revisions).size).toBe(200);
        expect(await textAt(store, 'last')).toBe('199');
      }),
    );

    test(
      'of many racers for an absent key exactly one wins, and it is the first',
      withStore(async (store) => {
        const results: TransactResult[] = await Promise.all(
          Array.from({ length: 32 }, (_, racer) =>
            store.transact({
              conditions: [{ kind: 'absent', key: utf8('prize') }],
              operations: [put('prize', `${racer}`)],
            }),
          ),
        );
        expect(results.map((result) => result.committed)).toEqual(
          results.map((_, racer) => racer === 0),
        );
        expect(await textAt(store, 'prize')).toBe('0');
      }),
    );

    test(
      'what is appended under a prefix is in the order of the commits, whoever was asked first',
      withStore(appendsAreOrdered),
    );

    test('the caller may change its bytes once the call has returned', withStore(bytesAreCopied));
  });
}

const conditionsDecide: Parameters<WithStore>[0] = async (store) => {
  const version = await commit(store, put('there', '1'));
  const cases: readonly (readonly [Condition, boolean])[] = [
    [{ kind: 'exists', key: utf8('there') }, true],
    [{ kind: 'exists', key: utf8('missing') }, false],
    [{ kind: 'absent', key: utf8('there') }, false],
    [{ kind: 'absent', key: utf8('missing') }, true],
    [{ kind: 'versionEquals', key: utf8('there'), version }, true],
    [{ kind: 'versionEquals', key: utf8('there'), version: version + 1 }, false],
    [{ kind: 'versionEquals', key: utf8('there'), version: 0 }, false],
    [{ kind: 'versionEquals', key: utf8('missing'), version }, false],
    [{ kind: 'versionEquals', key: utf8('missing'), version: 0 }, false],
  ];
  for (const [condition, holds] of cases) {
    const result = await store.transact({ conditions: [condition], operations: [] });
    expect([condition, result.committed]).toEqual([condition, holds]);
  }
  await commit(store, del('there'));
  const afterDelete = await store.transact({
    conditions: [{ kind: 'versionEquals', key: utf8('there'), version }],
    operations: [],
  });
  expect(afterDelete.committed).toBe(false);
};

const appendsAreOrdered: Parameters<WithStore>[0] = async (store) => {
  const append = (text: string, suffix = ''): Operation => ({
    kind: 'append',
    key: utf8('log/'),
    suffix: utf8(suffix),
    value: utf8(text),
  });
  const results = await Promise.all(
    Array.from({ length: 50 }, (_, turn) =>
      store.transact({
        conditions: turn % 5 === 4 ? [{ kind: 'exists', key: utf8('missing') }] : [],
        operations: [append(`${turn}a`, 'z'), put('other', `${turn}`), append(`${turn}b`, 'a')],
      }),
    ),
  );
  const { entries } = await store.scan({ from: utf8('log/'), to: utf8('log0'), limit: 1000 });
  const done = results.flatMap((result, turn) => (result.committed ? [turn] : []));
  expect(done).toHaveLength(40);
  expect(entries.map(({ value }) => fromUtf8(value))).toEqual(
    done.flatMap((turn) => [`${turn}a`, `${turn}b`]),
  );
  for (const [at, { key, version }] of entries.entries()) {
    const view = new DataView(key.buffer, key.byteOffset + 4);
    expect(Number(view.getBigUint64(0))).toBe(version);
    expect(view.getUint16(8)).toBe(at % 2);
    expect(fromUtf8(key.subarray(14))).toBe(at % 2 === 0 ? 'z' : 'a');
  }
};

const bytesAreCopied: Parameters<WithStore>[0] = async (store) => {
  for (const sizeBytes of [10, 100_000]) {
    const key = utf8(`key-${sizeBytes}`);
    const value = patterned(sizeBytes);
    const done = store.transact({ operations: [{ kind: 'put', key, value }] });
    key.fill(0xff);
    value.fill(0xff);
    const { revision } = await done;
    const original = utf8(`key-${sizeBytes}`);
    expectEntry(await store.get(original), original, patterned(sizeBytes), revision);
  }
};
