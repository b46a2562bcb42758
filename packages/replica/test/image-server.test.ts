/** What a node that hands out its state holds for others, and what it lets them ask. */
import type { ValueName } from '@holdfast/kv';
import { expect, test } from 'vitest';
import type { Answer, Question } from '../src/transfer/transfer-codec.ts';
import { encodeQuestion, NO_IMAGE } from '../src/transfer/transfer-codec.ts';
import { Giver, IMAGE_LIMIT, LEASE_MS, listOf } from './fixtures/giver.ts';

const MIB = 1024 * 1024;

function refused(refusal: string) {
  return { type: 'refused', refusal };
}

test('an image is held while its peer asks, and what is let go of holds nothing back', async () => {
  const giver = await Giver.open();
  await giver.put('key', 2000);
  const connection = await giver.connect('b');
  const imageId = await giver.open(connection);
  await giver.run(LEASE_MS - 100);
  expect(await giver.open(connection)).toBe(imageId);
  await giver.run(LEASE_MS - 100);
  expect([giver.server.counters.images, giver.heldCount]).toEqual([1, 1]);
  await giver.run(LEASE_MS + 100);
  expect([giver.server.counters.images, giver.heldCount]).toEqual([0, 0]);
  expect(giver.pinned).toHaveLength(1);
  await giver.close();
});

test('a newer image takes the place of the one that a peer has, and one that is too old is none', async () => {
  const giver = await Giver.open();
  const first = await giver.put('key', 2000);
  const connection = await giver.connect('b');
  const imageId = await giver.open(connection, first);
  const second = await giver.put('other', 2000);
  expect(await giver.open(connection, first)).toBe(imageId);
  const newer = await giver.open(connection, second);
  expect(newer).not.toBe(imageId);
  expect([giver.server.counters.images, giver.heldCount]).toEqual([1, 1]);
  expect(await giver.ask(connection, listOf(imageId))).toEqual(refused('NO_IMAGE'));
  const behind = await giver.ask(connection, { type: 'open', leastIndex: second + 1 });
  expect(behind).toEqual(refused('BEHIND'));
  expect([giver.server.counters.images, giver.heldCount]).toEqual([0, 0]);
  await giver.close();
});

test('as many peers as may be have an image, and each lets go of its own alone', async () => {
  const giver = await Giver.open();
  await giver.put('key', 2000);
  const [one, two, three] = [
    await giver.connect('b'),
    await giver.connect('d'),
    await giver.connect('e'),
  ];
  const imageId = await giver.open(one);
  await giver.open(two);
  expect(await giver.ask(three, { type: 'open', leastIndex: 1 })).toEqual(refused('BUSY'));
  two.send(encodeQuestion(99, { type: 'close', imageId }));
  await giver.run(3);
  expect(giver.heldCount).toBe(IMAGE_LIMIT);
  one.send(encodeQuestion(99, { type: 'close', imageId }));
  await giver.run(3);
  expect([giver.server.counters.images, giver.heldCount]).toEqual([1, 1]);
  await giver.open(three);
  await giver.close();
});

test('no more values are asked for at once than fit into memory', async () => {
  const giver = await Giver.open();
  for (const key of ['one', 'two', 'three']) await giver.put(key, MIB);
  const connection = await giver.connect('b');
  const imageId = await giver.open(connection);
  const names = await giver.names(connection, imageId);
  expect(names).toHaveLength(3);
  for (const from of [imageId, NO_IMAGE]) {
    const ask = (some: readonly ValueName[]) =>
      giver.ask(connection, { type: 'values', imageId: from, names: some });
    expect(await ask(names)).toEqual(refused('FAILED'));
    const { values } = (await ask(names.slice(2))) as Extract<Answer, { type: 'values' }>;
    expect(values.map((value) => value?.length)).toEqual([MIB]);
  }
  await giver.close();
});

test('an answer that finds no room waits until the peer takes what was sent before', async () => {
  const giver = await Giver.open();
  await giver.put('one', MIB);
  const connection = await giver.connect('b');
  const names = await giver.names(connection, await giver.open(connection));
  for (let id = 101; id <= 110; id++) {
    connection.send(encodeQuestion(id, { type: 'values', imageId: NO_IMAGE, names }));
  }
  await giver.run(20);
  // What is on its way is less than all that was asked for.
  expect(giver.server.counters.sentBytes).toBeLessThan(7 * MIB);
  let count = 0;
  while (count < 10) {
    const receiving = connection.receive();
    await giver.run(3);
    const frames = await receiving;
    if (frames === undefined) break;
    count += frames.length;
  }
  expect(count).toBe(10);
  await giver.close();
});

test('damage and an image that the store has closed are said to be that', async () => {
  const giver = await Giver.open();
  await giver.put('key', 5000);
  const connection = await giver.connect('b');
  const imageId = await giver.open(connection);
  const names = await giver.names(connection, imageId);
  for (const { path, sizeBytes } of giver.files.listAll('/data/wal')) {
    giver.files.corrupt(path, { offset: 4096, length: sizeBytes - 4096, how: 'garble' });
  }
  const values: Question = { type: 'values', imageId, names };
  expect(await giver.ask(connection, values)).toEqual(refused('DAMAGED'));
  const found = await giver.ask(connection, { ...values, imageId: NO_IMAGE });
  expect(found).toEqual({ type: 'values', values: [undefined] });
  giver.pinned[0]?.close();
  expect(await giver.ask(connection, listOf(imageId))).toEqual(refused('NO_IMAGE'));
  await giver.close();
});

test('a node that is closed ends what it has begun, and begins nothing', async () => {
  const giver = await Giver.open();
  await giver.put('key', 2000);
  const connection = await giver.connect('b');
  await giver.open(connection);
  await giver.server.close();
  expect([giver.heldCount, giver.server.counters.images]).toEqual([0, 0]);
  expect(giver.clock.pendingTimers).toBeLessThan(3);
  const ended = connection.receive();
  const later = await giver.connect('b');
  const endedLater = later.receive();
  await giver.run(3);
  expect([await ended, await endedLater]).toEqual([undefined, undefined]);
  expect(giver.faults).toEqual([]);
  await giver.close();
});

test('the number of an image from before a restart is none of now', async () => {
  const ids: number[] = [];
  for (const seed of [1, 2, 3]) {
    const giver = await Giver.open(seed);
    await giver.put('key', 2000);
    ids.push(await giver.open(await giver.connect('b')));
    await giver.close();
  }
  expect(new Set(ids).size).toBe(3);
  expect(ids).not.toContain(NO_IMAGE);
});
