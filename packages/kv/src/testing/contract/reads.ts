import { prefixEnd, utf8 } from '@holdfast/bytes';
import { describe, expect, test } from 'vitest';
import type { KvCursor, KvStore } from '../../kv-store.ts';
import type { WithStore } from './harness.ts';
import {
  commit,
  contentsOf,
  expectCode,
  expectEntry,
  keysOf,
  patterned,
  put,
  textOf,
} from './harness.ts';

/** get, getInto, scan and cursor on the newest state. */
export function readContract(withStore: WithStore): void {
  describe('reads', () => {
    test('values of every size are returned whole, by get and by getInto', withStore(allSizes));
    test('getInto refuses a target that is too small and leaves a rest alone', withStore(targets));
    test('keys are any bytes and are ordered as unsigned bytes', withStore(binaryKeys));
    test('a scan honours from, to, limit and reverse', withStore(scanRanges));

    test(
      'a scan without values gives sizes and versions only',
      withStore(async (store) => {
        const revision = await commit(store, put('a', 'value'), put('b', ''));
        const page = await store.scan({ limit: 10, values: false });
        expect(page.entries).toEqual([
          { key: utf8('a'), version: revision, valueSizeBytes: 5 },
          { key: utf8('b'), version: revision, valueSizeBytes: 0 },
        ]);
        expect(page.more).toBe(false);
      }),
    );

    test('a page of large values ends early and says that there is more', withStore(largePages));

    test(
      'a cursor walks its range in either direction and then stays at the end',
      withStore(async (store) => {
        await fill(store, ['a', 'b', 'c', 'd']);
        const forward = await store.cursor({ from: utf8('b'), to: utf8('d') });
        expect(await restOf(forward)).toEqual(['b', 'c']);
        expect(await forward.next()).toBeUndefined();
        forward.close();
        const backward = await store.cursor({ to: utf8('d'), reverse: true, values: false });
        const entry = await backward.next();
        expect(entry && { ...entry, key: textOf(entry.key) }).toMatchObject({
          key: 'c',
          valueSizeBytes: 7,
          value: new Uint8Array(0),
        });
        expect(await restOf(backward)).toEqual(['b', 'a']);
        backward.close();
      }),
    );

    test('a cursor seeks past a prefix, forward and backward', withStore(seeks));

    test(
      'a cursor stays at the revision at which it was opened',
      withStore(async (store) => {
        await fill(store, ['a', 'c', 'e']);
        const cursor = await store.cursor({});
        expect((await cursor.next())?.key).toEqual(utf8('a'));
        await store.transact({
          operations: [put('b', 'x'), { kind: 'delete', key: utf8('c') }, put('e', 'changed')],
        });
        expect((await cursor.next())?.key).toEqual(utf8('c'));
        const last = await cursor.next();
        expect(last && textOf(last.value)).toBe('value-e');
        expect(await cursor.next()).toBeUndefined();
        cursor.close();
        expect(await contentsOf(store)).toEqual(['a=value-a', 'b=x', 'e=changed']);
      }),
    );

    test(
      'a closed cursor refuses to read, and closing twice is no error',
      withStore(async (store) => {
        await fill(store, ['a']);
        const cursor = await store.cursor({});
        cursor.close();
        cursor.close();
        await expectCode(cursor.next(), 'KV_VIEW_CLOSED');
      }),
    );
  });
}

async function fill(store: KvStore, keys: readonly string[]): Promise<void> {
  await commit(store, ...keys.map((key) => put(key, `value-${key}`)));
}

async function restOf(cursor: KvCursor): Promise<string[]> {
  const keys: string[] = [];
  for (let entry = await cursor.next(); entry !== undefined; entry = await cursor.next()) {
    keys.push(textOf(entry.key));
  }
  return keys;
}

const SIZES = [0, 1, 127, 128, 1023, 1024, 1025, 4096, 65_537, 1024 * 1024];

const allSizes: Parameters<WithStore>[0] = async (store) => {
  const versions: number[] = [];
  for (const sizeBytes of SIZES) {
    const key = utf8(`size-${sizeBytes}`);
    versions.push(await commit(store, { kind: 'put', key, value: patterned(sizeBytes) }));
  }
  for (const [position, sizeBytes] of SIZES.entries()) {
    const key = utf8(`size-${sizeBytes}`);
    const version = versions[position] as number;
    expectEntry(await store.get(key), key, patterned(sizeBytes), version);
    const target = new Uint8Array(sizeBytes);
    const entry = await store.getInto(key, target);
    expect(entry).toEqual({ key, version, valueSizeBytes: sizeBytes });
    expect(textOf(target) === textOf(patterned(sizeBytes))).toBe(true);
  }
};

const targets: Parameters<WithStore>[0] = async (store) => {
  for (const sizeBytes of [20, 5000]) {
    const key = utf8(`key-${sizeBytes}`);
    await commit(store, { kind: 'put', key, value: patterned(sizeBytes) });
    await expectCode(store.getInto(key, new Uint8Array(sizeBytes - 1)), 'KV_BUFFER_TOO_SMALL');
    const target = new Uint8Array(sizeBytes + 3).fill(7);
    await store.getInto(key, target);
    expect(textOf(target)).toBe(textOf(patterned(sizeBytes)) + '\x07\x07\x07');
  }
  expect(await store.getInto(utf8('missing'), new Uint8Array(0))).toBeUndefined();
};

const binaryKeys: Parameters<WithStore>[0] = async (store) => {
  const keys = [[0], [0, 0], [0, 255], [1], [127], [127, 255], [128], [255], [255, 0], [255, 255]];
  const shuffled = [7, 0, 9, 3, 5, 1, 8, 2, 6, 4].map((at) =>
    Uint8Array.from(keys[at] as number[]),
  );
  for (const key of shuffled) await commit(store, { kind: 'put', key, value: key });
  const page = await store.scan({ limit: 100 });
  expect(page.entries.map((entry) => Array.from(entry.key))).toEqual(keys);
  expect(page.entries.map((entry) => Array.from(entry.value))).toEqual(keys);
  const longest = new Uint8Array(4096).fill(0xab);
  const version = await commit(store, { kind: 'put', key: longest, value: utf8('long') });
  expectEntry(await store.get(longest), longest, utf8('long'), version);
};

const scanRanges: Parameters<WithStore>[0] = async (store) => {
  await fill(store, ['a', 'b', 'b/1', 'b/2', 'c', 'd']);
  const range = { from: utf8('b'), to: utf8('c') };
  expect(await keysOf(store)).toEqual(['a', 'b', 'b/1', 'b/2', 'c', 'd']);
  expect(await keysOf(store, range)).toEqual(['b', 'b/1', 'b/2']);
  expect(await keysOf(store, { ...range, reverse: true })).toEqual(['b/2', 'b/1', 'b']);
  expect(await keysOf(store, { from: utf8('bb') })).toEqual(['c', 'd']);
  expect(await keysOf(store, { to: utf8('aa') })).toEqual(['a']);
  expect(await keysOf(store, { reverse: true, limit: 2 })).toEqual(['d', 'c']);
  expect(await keysOf(store, { from: utf8('c'), to: utf8('b') })).toEqual([]);
  expect(await keysOf(store, { from: utf8('c'), to: utf8('c') })).toEqual([]);
  expect(await keysOf(store, { from: new Uint8Array(0), limit: 1 })).toEqual(['a']);
  expect(await keysOf(store, { to: new Uint8Array(0) })).toEqual([]);
  expect((await store.scan({ limit: 6 })).more).toBe(false);
  expect((await store.scan({ limit: 5 })).more).toBe(true);
  expect((await store.scan({ ...range, limit: 3 })).more).toBe(false);
  expect((await store.scan({ ...range, limit: 2, reverse: true })).more).toBe(true);
};

const largePages: Parameters<WithStore>[0] = async (store) => {
  const value = patterned(store.valueSizeLimitBytes);
  for (let turn = 10; turn < 28; turn++) {
    await commit(store, { kind: 'put', key: utf8(`${turn}`), value });
  }
  const page = await store.scan({ limit: 18 });
  expect(page.entries.length).toBe(16);
  expect(page.more).toBe(true);
  const sizes = await store.scan({ limit: 18, values: false });
  expect(sizes.entries.length).toBe(18);
};

const seeks: Parameters<WithStore>[0] = async (store) => {
  await fill(store, ['a/1', 'a/2', 'a/3', 'b/1', 'b/2', 'c']);
  const cursor = await store.cursor({ values: false });
  expect((await cursor.next())?.key).toEqual(utf8('a/1'));
  cursor.seek(prefixEnd(utf8('a/')) as Uint8Array);
  expect((await cursor.next())?.key).toEqual(utf8('b/1'));
  cursor.seek(utf8('a/2'));
  expect((await cursor.next())?.key).toEqual(utf8('b/2'));
  cursor.seek(utf8('c'));
  expect((await cursor.next())?.key).toEqual(utf8('c'));
  expect(await cursor.next()).toBeUndefined();
  cursor.seek(utf8('d'));
  expect(await cursor.next()).toBeUndefined();
  cursor.close();

  const reverse = await store.cursor({ reverse: true, to: utf8('c'), from: utf8('a/2') });
  expect((await reverse.next())?.key).toEqual(utf8('b/2'));
  reverse.seek(utf8('a/3'));
  expect((await reverse.next())?.key).toEqual(utf8('a/3'));
  reverse.seek(utf8('b/1'));
  expect((await reverse.next())?.key).toEqual(utf8('a/2'));
  expect(await reverse.next()).toBeUndefined();
  reverse.close();

  const fresh = await store.cursor({ to: utf8('c') });
  fresh.seek(utf8('b/11'));
  expect(await restOf(fresh)).toEqual(['b/2']);
  fresh.close();
};
