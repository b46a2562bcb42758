import { utf8 } from '@holdfast/bytes';
import type { DiskOperation } from '@holdfast/env/memory';
import { createMemoryEnv } from '@holdfast/env/memory';
import { describe, expect, test } from 'vitest';
import type { LocalStore } from '../src/index.ts';
import { openLocalStore, restoreBackup, verifyStore } from '../src/index.ts';
import {
  contentsOf,
  DIRECTORY,
  del,
  extentBytesOf,
  put,
  TINY,
} from './fixtures/crash-enumeration.ts';
import { CountingFeed, openNode } from './fixtures/images.ts';

/** Receives a state from one store into another and makes it that one's own. */
async function transfer(from: LocalStore, to: LocalStore): Promise<CountingFeed> {
  const image = from.images.pin();
  const feed = new CountingFeed(image);
  const incoming = to.images.incoming();
  try {
    await incoming.receive(feed);
    expect(await incoming.install()).toEqual({ index: image.index, term: image.term });
  } finally {
    await incoming.close();
    image.close();
  }
  return feed;
}

async function mustBeWhole(store: LocalStore): Promise<void> {
  expect(store.status().liveBytes).toBe(await extentBytesOf(store));
}

const KEYS: readonly string[] = Array.from({ length: 30 }, (_, at) => `key-${100 + at}`);

describe('the state of another node', () => {
  test('is taken over by an empty one, which goes on behind it', async () => {
    const a = await openNode('a');
    for (const key of KEYS) {
      await a.store.transact({ operations: [put(key, 3000), put(`${key}-small`, 20)] });
    }
    await a.store.transact({
      operations: [del('key-101'), put('last', 5)],
      session: { clientId: 'one', sequence: 7 },
    });
    const b = await openNode('b');
    const feed = await transfer(a.store, b.store);
    expect(feed.valueBytes).toBe(29 * 3000);
    expect(await contentsOf(b.store)).toEqual(await contentsOf(a.store));
    await mustBeWhole(b.store);
    const again = { operations: [put('x', 1)], session: { clientId: 'one', sequence: 7 } };
    expect(await b.store.transact(again)).toEqual({ committed: true, revision: 31 });
    const next = await b.store.transact({ operations: [put('new', 2000)] });
    expect(next.revision).toBe(33);
    await b.store.close();
    const reopened = await openNode('b', await createMemoryEnv({ files: b.env.files.clone() }));
    expect((await reopened.store.get(utf8('key-129')))?.value.length).toBe(3000);
    expect((await reopened.store.get(utf8('new')))?.version).toBe(33);
    await reopened.store.compact();
    await mustBeWhole(reopened.store);
    await reopened.store.close();
    await a.store.close();
  });

  test('gives its room back when most of it is deleted, without a restart', async () => {
    const [a, b] = [await openNode('a'), await openNode('b')];
    for (const key of KEYS) await a.store.transact({ operations: [put(key, 3000)] });
    await transfer(a.store, b.store);
    expect(b.store.status().compactionDebtBytes).toBe(0);
    const gone = KEYS.filter((_, at) => at % 5 > 0);
    await b.store.transact({ operations: gone.map((key) => del(key)) });
    expect(b.store.status().compactionDebtBytes).toBe(gone.length * 3000);
    await a.store.close();
    await b.store.close();
  });

  test('is taken over while the tables of before are merged: they and what comes of them are gone', async () => {
    const [a, b] = [await openNode('a'), await openNode('b')];
    for (const key of KEYS) await a.store.transact({ operations: [put(key, 3000)] });
    for (const key of ['x', 'y', 'z']) {
      const operations = Array.from({ length: 600 }, (_, at) => put(`${key}-${at}`, 1000));
      await b.store.transact({ operations });
      await b.store.flush();
    }
    const image = a.store.images.pin();
    const incoming = b.store.images.incoming();
    await incoming.receive(new CountingFeed(image));
    await incoming.prepare();
    let hasBegun = false;
    b.env.files.failWhen({
      when: ({ kind, path }) => {
        hasBegun ||= kind === 'create' && path.endsWith('.table');
        return false;
      },
      code: 'FILE_IO',
    });
    const merging = b.store.compact();
    while (!hasBegun) await Promise.resolve();
    expect(await incoming.install()).toMatchObject({ index: image.index });
    await merging;
    await incoming.close();
    image.close();
    expect(await contentsOf(b.store)).toEqual(await contentsOf(a.store));
    expect(b.store.status().tableCount).toBe(1);
    await b.store.close();
    const names = await b.env.files.list(`${DIRECTORY}/kv`);
    expect(names.filter((name) => name.endsWith('.table'))).toHaveLength(1);
    await a.store.close();
  });

  test('is restored from a backup that is taken before anything is written behind it', async () => {
    const [a, b] = [await openNode('a'), await openNode('b')];
    for (const { store } of [a, b]) await store.transact({ operations: [put('old', 9000)] });
    await a.store.transact({ operations: [put('new', 3000)] });
    await a.store.transact({ operations: [put('newer', 3000)] });
    await transfer(a.store, b.store);
    await b.store.backup({ to: '/backups' });
    const restored = await restoreBackup(b.env, { from: '/backups', directory: '/restored' });
    expect(restored.index).toBe(3);
    const copy = await openLocalStore({ env: b.env, directory: '/restored', settings: TINY });
    expect(await contentsOf(copy)).toEqual(await contentsOf(a.store));
    expect(await copy.transact({ operations: [put('next', 1)] })).toMatchObject({ revision: 4 });
    for (const store of [copy, a.store, b.store]) await store.close();
  });

  test('is backed up into the folder that has backups of before it, with nothing behind it and with more', async () => {
    const [a, b] = [await openNode('a'), await openNode('b')];
    for (const { store } of [a, b]) await store.transact({ operations: [put('old', 9000)] });
    await b.store.backup({ to: '/backups' });
    for (const key of ['new', 'newer']) await a.store.transact({ operations: [put(key, 3000)] });
    await transfer(a.store, b.store);
    // Its own log from before goes.
    await b.store.compact();
    await b.store.backup({ to: '/backups' });
    for (const store of [a.store, b.store]) await store.transact({ operations: [put('next', 1)] });
    await b.store.backup({ to: '/backups' });
    await restoreBackup(b.env, { from: '/backups', directory: '/restored' });
    const copy = await openLocalStore({ env: b.env, directory: '/restored', settings: TINY });
    expect(await contentsOf(copy)).toEqual(await contentsOf(a.store));
    for (const store of [copy, a.store, b.store]) await store.close();
  });

  test.each([
    [
      'the commit of the MANIFEST',
      ({ kind, path }) => kind === 'sync' && path.endsWith('MANIFEST'),
    ],
    ['the removal of what was received', ({ kind }) => kind === 'unlink'],
  ] as [string, (operation: DiskOperation) => boolean][])(
    'is not removed with what failed: %s',
    async (_, when) => {
      const [a, b] = [await openNode('a'), await openNode('b')];
      for (let at = 0; at < 3; at++) {
        await a.store.transact({ operations: [put(`key-${at}`, 3000)] });
      }
      const image = a.store.images.pin();
      const incoming = b.store.images.incoming();
      await incoming.receive(image);
      await incoming.prepare();
      b.env.files.failWhen({ when, code: 'FILE_IO' });
      await expect(incoming.install()).rejects.toThrow('by a planned fault');
      await incoming.close();
      await b.store.close().catch(() => undefined);
      const again = await openNode('b', await createMemoryEnv({ files: b.env.files.killed() }));
      expect(await contentsOf(again.store)).toEqual(await contentsOf(a.store));
      image.close();
      for (const store of [again.store, a.store]) await store.close();
    },
  );

  test('is installed when there is room for it; until then all is as it was', async () => {
    const [a, b] = [await openNode('a'), await openNode('b')];
    await b.store.transact({ operations: [put('old', 3000)] });
    for (const key of ['new', 'newer']) await a.store.transact({ operations: [put(key, 3000)] });
    const before = await contentsOf(b.store);
    const image = a.store.images.pin();
    const incoming = b.store.images.incoming();
    await incoming.receive(image);
    await incoming.prepare();
    for (const kind of ['write', 'sync']) {
      const isCommit = (each: DiskOperation): boolean =>
        each.kind === kind && each.path.endsWith('MANIFEST');
      b.env.files.failWhen({ when: isCommit, code: 'NO_SPACE' });
      await expect(incoming.install()).rejects.toMatchObject({ code: 'KV_NO_SPACE' });
      expect(await contentsOf(b.store)).toEqual(before);
      const files = b.env.files.killed();
      const killed = await openNode('b', await createMemoryEnv({ files }));
      expect(await contentsOf(killed.store)).toEqual(before);
      await killed.store.close();
    }
    expect(await incoming.install()).toMatchObject({ index: 2 });
    await incoming.close();
    expect(await contentsOf(b.store)).toEqual(await contentsOf(a.store));
    await b.store.close();
    const again = await openNode('b', await createMemoryEnv({ files: b.env.files.killed() }));
    expect(await contentsOf(again.store)).toEqual(await contentsOf(a.store));
    image.close();
    for (const store of [again.store, a.store]) await store.close();
  });

  test('that the MANIFEST perhaps lists is not taken for one without room, nor removed', async () => {
    const [a, b] = [await openNode('a'), await openNode('b')];
    await a.store.transact({ operations: [put('new', 3000)] });
    const image = a.store.images.pin();
    const incoming = b.store.images.incoming();
    await incoming.receive(image);
    await incoming.prepare();
    // Neither the sync of the edit nor its removal finds room.
    for (const kind of ['sync', 'truncate']) {
      const when = (each: DiskOperation): boolean =>
        each.kind === kind && each.path.endsWith('MANIFEST');
      b.env.files.failWhen({ when, code: 'NO_SPACE', applied: 'none' });
    }
    await expect(incoming.install()).rejects.toMatchObject({ code: 'KV_UNAVAILABLE' });
    await incoming.close();
    await b.store.close().catch(() => undefined);
    const again = await openNode('b', await createMemoryEnv({ files: b.env.files.killed() }));
    expect(await contentsOf(again.store)).toEqual(await contentsOf(a.store));
    image.close();
    for (const store of [again.store, a.store]) await store.close();
  });

  test('is there, or what was before it, where a kill in its install is followed by a power cut at any operation of the next start', async () => {
    const [a, b] = [await openNode('a'), await openNode('b')];
    await b.store.transact({ operations: [put('old', 3000)] });
    for (const key of ['new', 'newer']) await a.store.transact({ operations: [put(key, 3000)] });
    const states = [await contentsOf(b.store), await contentsOf(a.store)];
    const image = a.store.images.pin();
    const incoming = b.store.images.incoming();
    await incoming.receive(image);
    await incoming.prepare();
    // The edit is written, and in no more than a cache.
    const isCommit = ({ kind, path }: DiskOperation): boolean =>
      kind === 'sync' && path.endsWith('MANIFEST');
    b.env.files.failWhen({ when: isCommit, code: 'FILE_IO' });
    await expect(incoming.install()).rejects.toThrow('by a planned fault');
    let cuts = 0;
    for (let isCut = true; isCut; cuts++) {
      const files = b.env.files.killed();
      files.stopAt(cuts + 1);
      const next = await openNode('b', await createMemoryEnv({ files })).catch(() => undefined);
      await next?.store.close().catch(() => undefined);
      isCut = files.stopped;
      const again = await openNode('b', await createMemoryEnv({ files: files.crash().files }));
      expect(states, `cut at ${cuts + 1}`).toContainEqual(await contentsOf(again.store));
      await again.store.close();
    }
    expect(cuts).toBeGreaterThan(10);
    image.close();
    for (const each of [incoming, a.store]) await each.close();
  });

  test('costs a node that is behind only what it lacks', async () => {
    const a = await openNode('a');
    const b = await openNode('b');
    for (const key of KEYS) {
      for (const { store } of [a, b]) await store.transact({ operations: [put(key, 5000)] });
    }
    await b.store.compact();
    await a.store.transact({ operations: [put('key-105', 4000), put('new', 6000), put('s', 3)] });
    await a.store.transact({ operations: [put('key-110', 700)] });
    await a.store.compact();
    const feed = await transfer(a.store, b.store);
    expect(feed.valueBytes).toBe(10_000);
    expect(feed.freshEntries).toBe(4);
    expect(await contentsOf(b.store)).toEqual(await contentsOf(a.store));
    await mustBeWhole(b.store);
    await b.store.compact();
    expect(await contentsOf(b.store)).toEqual(await contentsOf(a.store));
    await mustBeWhole(b.store);
    await b.store.close();
    const problems: unknown[] = [];
    for await (const finding of verifyStore(b.env, DIRECTORY)) {
      if (finding.kind === 'damage') problems.push(finding);
    }
    expect(problems).toEqual([]);
    await a.store.close();
  });

  test('takes away what was deleted, and asks again for no value that is there', async () => {
    const a = await openNode('a');
    const b = await openNode('b');
    for (const key of KEYS) {
      for (const { store } of [a, b]) await store.transact({ operations: [put(key, 5000)] });
    }
    await a.store.transact({ operations: KEYS.slice(3, 28).map(del) });
    await a.store.transact({ operations: [put('key-102', 10)] });
    const feed = await transfer(a.store, b.store);
    expect(feed.valueBytes).toBe(0);
    expect(await contentsOf(b.store)).toEqual(await contentsOf(a.store));
    expect((await contentsOf(b.store)).length).toBe(5);
    await mustBeWhole(b.store);
    for (const { store } of [a, b]) await store.close();
  });

  test('takes away more than a section has, with memory for one', async () => {
    const a = await openNode('a');
    const b = await openNode('b');
    const many = Array.from({ length: 900 }, (_, at) => `k${1000 + at}`);
    for (const { store } of [a, b]) {
      await store.transact({ operations: many.map((key) => put(key, 10)) });
      await store.transact({ operations: [put('k1000', 2000), put('k1899', 2000)] });
    }
    await a.store.transact({ operations: many.slice(1, -1).map(del) });
    const feed = await transfer(a.store, b.store);
    expect(feed.valueBytes).toBe(0);
    expect((await contentsOf(b.store)).length).toBe(2);
    await mustBeWhole(b.store);
    for (const { store } of [a, b]) await store.close();
  });

  test('is not seen before it is installed, and readers of the old state keep it', async () => {
    const a = await openNode('a');
    const b = await openNode('b');
    for (const { store } of [a, b]) await store.transact({ operations: [put('a', 3000)] });
    await b.store.flush();
    await a.store.transact({ operations: [put('a', 4000), put('b', 2000)] });
    const image = a.store.images.pin();
    const incoming = b.store.images.incoming();
    const view = await b.store.readView();
    await incoming.receive(image);
    expect((await b.store.get(utf8('a')))?.value.length).toBe(3000);
    expect(await b.store.get(utf8('b'))).toBeUndefined();
    await incoming.install();
    await b.store.collect();
    expect((await b.store.get(utf8('a')))?.value.length).toBe(4000);
    expect((await view.get(utf8('a')))?.value.length).toBe(3000);
    expect(await view.get(utf8('b'))).toBeUndefined();
    view.close();
    await incoming.close();
    image.close();
    await b.store.collect();
    await b.store.compact();
    await mustBeWhole(b.store);
    for (const { store } of [a, b]) await store.close();
  });

  test('stays as it was pinned, whatever is written and compacted meanwhile', async () => {
    const a = await openNode('a');
    for (const key of KEYS) await a.store.transact({ operations: [put(key, 5000)] });
    const before = await contentsOf(a.store);
    const image = a.store.images.pin();
    await a.store.transact({ operations: KEYS.slice(0, 29).map(del) });
    await a.store.compact();
    const b = await openNode('b');
    const incoming = b.store.images.incoming();
    await incoming.receive(image);
    await incoming.install();
    expect(await contentsOf(b.store)).toEqual(before);
    await incoming.close();
    const held = a.store.status().segments.length;
    image.close();
    await a.store.compact();
    expect(a.store.status().segments.length).toBeLessThan(held);
    await transfer(a.store, b.store);
    expect(await contentsOf(b.store)).toEqual(await contentsOf(a.store));
    for (const { store } of [a, b]) await store.close();
  });

  test('that the store overtakes by itself after it was received is not taken over', async () => {
    const a = await openNode('a');
    await a.store.transact({ operations: [put('a', 3000)] });
    const b = await openNode('b');
    const image = a.store.images.pin();
    const incoming = b.store.images.incoming();
    await incoming.receive(new CountingFeed(image));
    for (const key of ['b', 'c']) await b.store.transact({ operations: [put(key, 10)] });
    await expect(incoming.readNotes()).rejects.toMatchObject({ code: 'KV_INVALID_ARGUMENT' });
    expect(await incoming.install()).toBeUndefined();
    expect((await contentsOf(b.store)).length).toBe(2);
    await incoming.close();
    image.close();
    await a.store.close();
    await b.store.close();
  });

  test('is refused where it is older than what is there', async () => {
    const a = await openNode('a');
    const b = await openNode('b');
    for (const { store } of [a, b]) await store.transact({ operations: [put('a', 3000)] });
    const image = a.store.images.pin();
    const incoming = b.store.images.incoming();
    await expect(incoming.receive(image)).rejects.toMatchObject({ code: 'KV_INVALID_ARGUMENT' });
    expect(await incoming.install()).toBeUndefined();
    await incoming.close();
    image.close();
    for (const { store } of [a, b]) await store.close();
  });

  test('with a byte that is not what its entry says is refused', async () => {
    const a = await openNode('a');
    await a.store.transact({ operations: [put('a', 3000), put('b', 10)] });
    const image = a.store.images.pin();
    const b = await openNode('b');
    const incoming = b.store.images.incoming();
    const wrongValue = {
      index: image.index,
      term: image.term,
      list: image.list.bind(image),
      values: () => Promise.resolve([new Uint8Array(3000)]),
    };
    await expect(incoming.receive(wrongValue)).rejects.toMatchObject({ code: 'KV_CORRUPTION' });
    const wrongEntry = {
      ...wrongValue,
      values: image.values.bind(image),
      list: async (request: Parameters<typeof image.list>[0]) =>
        (await image.list(request)).map((section) => ({
          ...section,
          fresh: section.fresh.slice(1),
        })),
    };
    await expect(incoming.receive(wrongEntry)).rejects.toMatchObject({ code: 'KV_CORRUPTION' });
    expect(await incoming.install()).toBeUndefined();
    await incoming.receive(image);
    await incoming.install();
    expect(await contentsOf(b.store)).toEqual(await contentsOf(a.store));
    await incoming.close();
    image.close();
    for (const { store } of [a, b]) await store.close();
  });
});
