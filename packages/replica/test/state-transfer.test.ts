/** A state that is received: whom it is asked of, and what ends it. */
import { createMemoryEnv } from '@holdfast/env/memory';
import type { LocalStore, WholeImage } from '@holdfast/kv';
import { openLocalStore } from '@holdfast/kv';
import { expect, test } from 'vitest';
import { StateTransfer } from '../src/transfer/state-transfer.ts';
import { GIVER_ADDRESS, Giver } from './fixtures/giver.ts';

/** A store that is to get the state, from node a or node z, where nobody is. */
async function takerFrom(giver: Giver) {
  const env = await createMemoryEnv({ clock: giver.clock });
  const identity = { clusterId: 'c'.repeat(32), nodeId: 'b'.repeat(32) };
  const settings = { reserveSizeBytes: 0, wal: { preallocate: false } };
  const store = await openLocalStore({ env, directory: '/data', identity, settings });
  const wholes: WholeImage[] = [];
  const troubles: [string, number][] = [];
  const transfer = new StateTransfer({
    network: giver.network.node('b'),
    clock: giver.clock,
    images: store.images,
    settings: {},
    answerLimitMs: 100,
    sources: () => [
      { nodeId: 'a', address: GIVER_ADDRESS },
      { nodeId: 'z', address: { host: 'memory', port: 7999 } },
    ],
    onWhole: (image) => wholes.push(image),
    onTrouble: (name) => troubles.push([name, giver.clock.monotonicMs()]),
  });
  return { env, store, transfer, wholes, troubles };
}

async function contentsOf(store: LocalStore): Promise<string[]> {
  const { entries } = await store.scan({ limit: 100 });
  return entries.map(({ version, value }) => `${version} ${value.length}`);
}

async function received(giver: Giver, taker: Awaited<ReturnType<typeof takerFrom>>) {
  const { length } = taker.wholes;
  taker.transfer.start('a', 1);
  for (let at = 0; taker.wholes.length === length; at++) {
    if (at > 1000) throw new Error('nothing was received');
    await giver.run(1);
  }
}

test('a state is whole before it is spoken of, is installed once, and its source lets go of it', async () => {
  const giver = await Giver.open();
  const index = await giver.put('key', 5000);
  const taker = await takerFrom(giver);
  await received(giver, taker);
  expect(taker.wholes).toMatchObject([{ index }]);
  expect(taker.transfer.isRunning).toBe(true);
  // One that is here is not asked for again.
  const { sentBytes } = giver.server.counters;
  taker.transfer.start('a', 1);
  await giver.run(50);
  expect([giver.server.counters.sentBytes, giver.heldCount]).toEqual([sentBytes, 0]);
  await taker.transfer.install();
  expect(await contentsOf(taker.store)).toEqual(await contentsOf(giver.store));
  expect(taker.transfer.isRunning).toBe(false);
  // The store has by itself what is offered now: nothing is left to be done, and nobody is in trouble.
  taker.transfer.start('a', 1);
  await giver.run(50);
  expect([taker.transfer.isRunning, taker.troubles]).toEqual([false, []]);
  await taker.transfer.stop();
  await taker.store.close();
  await giver.close();
});

test('where none can give a state they are asked in turn, ever more slowly, until it is stopped', async () => {
  const giver = await Giver.open();
  await giver.put('key', 5000);
  const taker = await takerFrom(giver);
  taker.transfer.start('z', 99);
  await giver.run(12_000);
  const names = taker.troubles.map(([name]) => name);
  expect(names.slice(0, 6)).toEqual(['z', 'a', 'z', 'a', 'z', 'a']);
  const pauses = taker.troubles
    .slice(1)
    .map(([, atMs], at) => atMs - (taker.troubles[at]?.[1] ?? 0));
  expect(pauses[0]).toBeLessThan(100);
  expect(pauses.at(-1)).toBeGreaterThan(1900);
  expect(pauses.at(-1)).toBeLessThan(2200);
  expect(taker.wholes).toEqual([]);
  const stopped = taker.transfer.stop();
  await giver.run(1);
  await stopped;
  taker.transfer.start('a', 1);
  await giver.run(3000);
  expect([taker.troubles.length, taker.transfer.isRunning]).toEqual([names.length, false]);
  await taker.store.close();
  await giver.close();
});

test('one that is stopped while it asks speaks of nothing any more', async () => {
  const giver = await Giver.open();
  await giver.put('key', 5000);
  for (const afterMs of [1, 2, 3, 4, 6, 8, 10]) {
    const taker = await takerFrom(giver);
    taker.transfer.start('a', 1);
    await giver.run(afterMs);
    const { length } = taker.wholes;
    const stopped = taker.transfer.stop();
    await giver.run(20);
    await stopped;
    expect([taker.wholes.length, taker.troubles]).toEqual([length, []]);
    await taker.store.close();
  }
  await giver.close();
});

test('a state that is not needed any more is let go of, though its files cannot be removed', async () => {
  const giver = await Giver.open();
  await giver.put('key', 5000);
  const taker = await takerFrom(giver);
  await received(giver, taker);
  const { files } = taker.env;
  const fault = files.failWhen({
    when: ({ kind }) => kind === 'unlink',
    code: 'FILE_IO',
    times: Number.POSITIVE_INFINITY,
    applied: 'none',
  });
  await taker.transfer.finish();
  expect(taker.transfer.isRunning).toBe(false);
  fault.cancel();
  // What was received is here still, and is what it was.
  await received(giver, taker);
  await taker.transfer.install();
  expect(await contentsOf(taker.store)).toEqual(await contentsOf(giver.store));
  await taker.transfer.stop();
  await taker.store.close();
  await giver.close();
});
