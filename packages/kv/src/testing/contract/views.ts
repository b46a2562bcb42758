import { utf8 } from '@holdfast/bytes';
import { describe, expect, test } from 'vitest';
import type { WithStore } from './harness.ts';
import { commit, contentsOf, del, expectCode, expectEntry, patterned, put } from './harness.ts';

/** Isolation and the end of read views. */
export function viewContract(withStore: WithStore): void {
  describe('read views', () => {
    test(
      'a view shows one revision, however much is written meanwhile',
      withStore(async (store) => {
        const first = await commit(store, put('a', '1'), put('b', '1'));
        const view = await store.readView();
        expect(view.revision).toBeGreaterThanOrEqual(first);
        await commit(store, put('a', '2'), del('b'), put('c', '2'));
        const later = await store.readView();
        await commit(store, put('c', '3'), del('a'));
        expect(await contentsOf(view)).toEqual(['a=1', 'b=1']);
        expect(await contentsOf(later)).toEqual(['a=2', 'c=2']);
        expect(await contentsOf(store)).toEqual(['c=3']);
        expect(later.revision).toBeGreaterThan(view.revision);
        view.close();
        expect(await contentsOf(later)).toEqual(['a=2', 'c=2']);
        later.close();
      }),
    );

    test(
      'a view reads large values that were overwritten or deleted since',
      withStore(async (store) => {
        const key = utf8('big');
        const version = await commit(store, { kind: 'put', key, value: patterned(50_000, 1) });
        const view = await store.readView();
        await commit(store, { kind: 'put', key, value: patterned(50_000, 2) });
        await commit(store, del('big'));
        expectEntry(await view.get(key), key, patterned(50_000, 1), version);
        const target = new Uint8Array(50_000);
        expect(await view.getInto(key, target)).toMatchObject({ version });
        expect(target).toEqual(patterned(50_000, 1));
        view.close();
      }),
    );

    test(
      'a closed view refuses every read, and closing twice is no error',
      withStore(async (store) => {
        await commit(store, put('a', '1'));
        const view = await store.readView();
        const cursor = await view.cursor({});
        view.close();
        view.close();
        await expectCode(view.get(utf8('a')), 'KV_VIEW_CLOSED');
        await expectCode(view.getInto(utf8('a'), new Uint8Array(9)), 'KV_VIEW_CLOSED');
        await expectCode(view.scan({ limit: 1 }), 'KV_VIEW_CLOSED');
        await expectCode(view.cursor({}), 'KV_VIEW_CLOSED');
        await expectCode(cursor.next(), 'KV_VIEW_CLOSED');
        cursor.close();
      }),
    );

    test(
      'a view ends by itself at its age, and the store goes on',
      withStore(async (store, { passTime }) => {
        if (passTime === undefined) return;
        await commit(store, put('a', '1'));
        const short = await store.readView({ maxAgeMs: 100 });
        const usual = await store.readView();
        await passTime(99);
        expect(await contentsOf(short)).toEqual(['a=1']);
        await passTime(2);
        await expectCode(short.get(utf8('a')), 'KV_VIEW_CLOSED');
        expect(await contentsOf(usual)).toEqual(['a=1']);
        await passTime(60_000);
        await expectCode(usual.scan({ limit: 1 }), 'KV_VIEW_CLOSED');
        expect(await contentsOf(store)).toEqual(['a=1']);
      }),
    );

    test(
      'an age that is not positive is refused',
      withStore(async (store) => {
        for (const maxAgeMs of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
          await expectCode(store.readView({ maxAgeMs }), 'KV_INVALID_ARGUMENT');
        }
      }),
    );
  });
}
