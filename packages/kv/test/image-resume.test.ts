import { createMemoryEnv, SeededRandom } from '@holdfast/env/memory';
import { describe, expect, test } from 'vitest';
import type { Operation } from '../src/index.ts';
import { contentsOf, del, extentBytesOf, put } from './fixtures/crash-enumeration.ts';
import { CountingFeed, type Node, openNode } from './fixtures/images.ts';

const SMALL_STEPS = { checkpointSizeBytes: 1, chunkSizeBytes: 5000, windowSizeBytes: 40_000 };

/** The node as a `kill -9` leaves it, started again. */
async function killed({ env }: Node): Promise<Node> {
  return openNode('b', await createMemoryEnv({ files: env.files.clone() }));
}

async function transact(nodes: readonly Node[], operations: readonly Operation[]): Promise<void> {
  for (const { store } of nodes) await store.transact({ operations });
}

/** Receives until the source has answered so often. */
async function receiveSome(node: Node, feed: CountingFeed): Promise<boolean> {
  const incoming = node.store.images.incoming(SMALL_STEPS);
  try {
    await incoming.receive(feed);
    return true;
  } catch (error) {
    if ((error as Error).message !== 'the source is gone') throw error;
    return false;
  } finally {
    await incoming.close();
  }
}

async function install(node: Node): Promise<void> {
  const incoming = node.store.images.incoming();
  expect(await incoming.install()).toBeDefined();
  await incoming.close();
}

describe('a state that is received in pieces', () => {
  test('ends whole after ten kills of the receiver and ten changes of the source, with nothing sent twice', async () => {
    const a = await openNode('a');
    const d = await openNode('d');
    let b = await openNode('b');
    for (let at = 0; at < 20; at++) await transact([a, b, d], [put(`old-${at}`, 4000)]);
    for (let at = 0; at < 200; at++) {
      await transact([a, d], [put(`new-${1000 + at}`, 20_000), put(`small-${at}`, 30)]);
    }
    await d.store.compact();
    let valueBytes = 0;
    let entryBytes = 0;
    let isWhole = false;
    let kills = 0;
    for (; !isWhole; kills++) {
      const image = (kills % 2 === 0 ? a : d).store.images.pin();
      const feed = new CountingFeed(image, 20);
      isWhole = await receiveSome(b, feed);
      valueBytes += feed.valueBytes;
      entryBytes += feed.entryBytes;
      image.close();
      if (!isWhole) b = await killed(b);
    }
    expect(kills).toBeGreaterThan(10);
    const missingBytes = 200 * 20_000 + 200 * 30;
    expect(valueBytes + entryBytes).toBeGreaterThanOrEqual(missingBytes);
    expect(valueBytes + entryBytes).toBeLessThanOrEqual(missingBytes * 1.05);
    await install(b);
    expect(await contentsOf(b.store)).toEqual(await contentsOf(a.store));
    expect(b.store.status().liveBytes).toBe(await extentBytesOf(b.store));
    for (const { store } of [a, b, d]) await store.close();
  });

  test('goes on with a newer image where an older one ended', async () => {
    const a = await openNode('a');
    let b = await openNode('b');
    for (let at = 0; at < 100; at++) await transact([a], [put(`key-${100 + at}`, 5000)]);
    const first = a.store.images.pin();
    const cut = new CountingFeed(first, 60);
    expect(await receiveSome(b, cut)).toBe(false);
    first.close();
    b = await killed(b);
    await transact([a], [put('key-100', 3000), del('key-101'), put('key-199', 2000)]);
    await a.store.compact();
    const second = a.store.images.pin();
    const rest = new CountingFeed(second);
    expect(await receiveSome(b, rest)).toBe(true);
    second.close();
    expect(cut.valueBytes + rest.valueBytes).toBeLessThanOrEqual(99 * 5000 + 5000 + 5000);
    await install(b);
    expect(await contentsOf(b.store)).toEqual(await contentsOf(a.store));
    for (const { store } of [a, b]) await store.close();
  });

  test('begins again where values that it relies on were moved while nothing was received', async () => {
    const a = await openNode('a');
    let b = await openNode('b');
    for (let at = 0; at < 12; at++) {
      await transact([a, b], [put(`key-${at}`, 5000), put(`gone-${at}`, 9000)]);
      await transact([a, b], [del(`gone-${at}`)]);
    }
    await transact([a], [put('zzz', 4000)]);
    const image = a.store.images.pin();
    const incoming = b.store.images.incoming(SMALL_STEPS);
    await incoming.receive(image);
    await incoming.close();
    b = await killed(b);
    expect((await b.store.compact()).movedBytes).toBeGreaterThan(0);
    expect(await receiveSome(b, new CountingFeed(image))).toBe(true);
    image.close();
    await install(b);
    expect(await contentsOf(b.store)).toEqual(await contentsOf(a.store));
    await b.store.compact();
    expect(await contentsOf(b.store)).toEqual(await contentsOf(a.store));
    for (const { store } of [a, b]) await store.close();
  });

  const SEEDS = Array.from({ length: 25 }, (_, at) => at + 1);
  test.each(SEEDS)('is the source’s state, whatever happened meanwhile: seed %i', async (seed) => {
    const random = new SeededRandom(seed);
    const a = await openNode('a');
    let b = await openNode('b');
    const operations = (): Operation[] =>
      Array.from({ length: 1 + random.below(12) }, () => {
        const key = `k${random.below(400)}`;
        const sizes = [random.below(60), 1025 + random.below(5000)];
        return random.below(4) === 0 ? del(key) : put(key, sizes[random.below(2)] as number);
      });
    for (let step = random.below(30); step > 0; step--) await transact([a, b], operations());
    let isWhole = false;
    for (let turn = 0; !isWhole; turn++) {
      const isLast = turn > 12;
      for (let step = random.below(15); step > 0 && turn < 9; step--) {
        await transact([a], operations());
      }
      if (random.below(4) === 0) await a.store.compact();
      if (turn === 0) await transact([a], [put('least', 2000)]);
      const image = a.store.images.pin();
      const failAfter = isLast ? Number.POSITIVE_INFINITY : random.below(80);
      isWhole = (await receiveSome(b, new CountingFeed(image, failAfter))) && random.below(3) === 0;
      image.close();
      if (random.below(2) === 0) b = await killed(b);
      if (random.below(6) === 0) await b.store.compact();
      if (isLast) break;
    }
    const pinned = a.store.images.pin();
    await receiveSome(b, new CountingFeed(pinned));
    pinned.close();
    await install(b);
    expect(await contentsOf(b.store)).toEqual(await contentsOf(a.store));
    expect(b.store.status().liveBytes).toBe(await extentBytesOf(b.store));
    for (let step = 0; step < 5; step++) await transact([a, b], operations());
    await b.store.compact();
    b = await killed(b);
    expect(await contentsOf(b.store)).toEqual(await contentsOf(a.store));
    for (const { store } of [a, b]) await store.close();
  });
});
