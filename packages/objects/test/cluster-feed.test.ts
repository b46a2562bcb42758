/** The feed of changes where several nodes make them, and are started with it and without it, one after the other. */
import type { KvStore } from '@holdfast/kv';
import { createMemoryStore } from '@holdfast/kv/testing';
import { expect, test } from 'vitest';
import { type ChangeFeed, closeChangeFeed, type FeedPlace, openChangeFeed } from '../src/index.ts';
import { KEY_SPACE } from '../src/keys.ts';
import { countIn } from './consistency.ts';
import { makeFixture, openFixture, pattern, putBytes } from './fixture.ts';

/** Nodes `a` and `b` over one store; each is started anew with `start`. */
async function openCluster() {
  const kv = createMemoryStore();
  const members = ['a', 'b'];
  const fixture = await openFixture({ kv });
  const start = async (nodeId: string, keepsChanges: boolean) => {
    const nodes = { nodeId, members: () => members };
    const journal = { keepsChanges, takesEvents: () => false, onCommitted: () => undefined };
    const { store } = makeFixture(kv, fixture.env, { journal });
    const put = (key: string) => putBytes(store, key, pattern(1));
    if (keepsChanges) return { put, feed: await openChangeFeed(kv, nodes) };
    await closeChangeFeed(kv, nodes);
    return { put, feed: undefined };
  };
  return { kv, members, start };
}

async function keysAfter(feed: ChangeFeed, place: FeedPlace): Promise<string[]> {
  const page = await feed.after(place, 100);
  if (page.kind !== 'page') throw new Error(page.kind);
  return page.changes.map(({ key }) => key);
}

test('it begins when every node writes changes down, and has all from then on', async () => {
  const { start } = await openCluster();
  const off = await start('b', false);
  const a = await start('a', true);
  const feed = a.feed as ChangeFeed;
  await a.put('1');
  await off.put('2');
  await feed.begin();
  expect([await feed.oldest(), await feed.newest()]).toEqual([undefined, undefined]);
  expect(await feed.after({ revision: 1, position: 0 }, 9)).toEqual({ kind: 'closed' });
  const b = await start('b', true);
  const begin = (await feed.oldest()) as FeedPlace;
  // What one node wrote down before is no part of it.
  expect(await feed.newest()).toEqual(begin);
  await b.put('3');
  await a.put('4');
  expect(await keysAfter(feed, begin)).toEqual(['3', '4']);
  expect(await keysAfter(b.feed as ChangeFeed, begin)).toEqual(['3', '4']);
});

test('a node that is started without it ends it for all, until it is started with it', async () => {
  const { start } = await openCluster();
  const { feed, put } = (await start('a', true)) as {
    feed: ChangeFeed;
    put: (key: string) => Promise<unknown>;
  };
  await start('b', true);
  const begin = (await feed.oldest()) as FeedPlace;
  await put('1');
  const off = await start('b', false);
  await off.put('2');
  await feed.begin();
  expect(await feed.after(begin, 9)).toEqual({ kind: 'closed' });
  await start('b', true);
  expect(await feed.after(begin, 9)).toMatchObject({ kind: 'expired' });
  await put('3');
  expect(await keysAfter(feed, (await feed.oldest()) as FeedPlace)).toEqual(['3']);
});

test('a node that is removed is waited for no longer, and what was written down meanwhile is not kept', async () => {
  const { kv, members, start } = await openCluster();
  const { feed, put } = (await start('a', true)) as {
    feed: ChangeFeed;
    put: (key: string) => Promise<unknown>;
  };
  await put('1');
  expect(await feed.trim(0, 100)).toBe(1);
  expect(await countIn(kv, KEY_SPACE.change)).toBe(0);
  members.pop();
  await feed.begin();
  await put('2');
  expect(await keysAfter(feed, (await feed.oldest()) as FeedPlace)).toEqual(['2']);
});

test('a node that is added and started without it is not missed by another one that is just about to begin it', async () => {
  const { kv, members, start } = await openCluster();
  members.pop();
  const added: Promise<unknown>[] = [];
  const slow: KvStore = {
    valueSizeLimitBytes: kv.valueSizeLimitBytes,
    get: (key) => kv.get(key),
    getInto: (key, target) => kv.getInto(key, target),
    cursor: (range) => kv.cursor(range),
    scan: (range) => kv.scan(range),
    readView: () => kv.readView(),
    close: () => kv.close(),
    transact: async (transaction) => {
      const begins = transaction.operations.some(({ key }) => key.length === 1);
      if (begins && members.push('b') === 2) added.push(start('b', false));
      await Promise.all(added);
      return await kv.transact(transaction);
    },
  };
  const feed = await openChangeFeed(slow, { nodeId: 'a', members: () => [...members] });
  expect(added).toHaveLength(1);
  expect(await feed.oldest()).toBeUndefined();
  await start('b', true);
  expect(await feed.oldest()).toBeDefined();
});
