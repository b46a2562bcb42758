/** Values of members that answer late, wrongly or never. */
import { expect, test } from 'vitest';
import { ValueRepair } from '../src/transfer/value-repair.ts';
import { ANSWER_LIMIT_MS, RawPeer } from './fixtures/raw-peer.ts';

const NAME = { key: Uint8Array.of(1), version: 1, length: 3, crc: 0 };
const VALUE = Uint8Array.of(7, 8, 9);
const FOUND = { type: 'values', values: [VALUE] } as const;
const NOT_THERE = { type: 'values', values: [undefined] } as const;
/** Until a node that does not answer is given up. */
const PATIENCE_MS = 3 * ANSWER_LIMIT_MS;

function repairFrom(peer: RawPeer, others: readonly string[] = []) {
  const { network, clock, nodeId, address, answerLimitMs } = peer.target();
  const troubles: string[] = [];
  const sources = [...others.map((name, at) => nobody(name, at)), { nodeId, address }];
  const repair = new ValueRepair({
    network,
    clock,
    answerLimitMs,
    sources: () => sources,
    onTrouble: (name) => troubles.push(name),
  });
  return { repair, troubles };
}

/** Where no process listens. */
function nobody(nodeId: string, at: number) {
  return { nodeId, address: { host: 'memory', port: 7100 + at } };
}

test('a value is had from the first that has it, over a connection that is kept', async () => {
  const peer = await RawPeer.open();
  const { repair, troubles } = repairFrom(peer, ['x']);
  peer.react = () => FOUND;
  for (let at = 0; at < 3; at++) {
    expect((await peer.until(repair.find(NAME))).value).toEqual(VALUE);
  }
  expect([peer.connections.length, troubles]).toEqual([1, ['x', 'x', 'x']]);
  peer.react = () => NOT_THERE;
  expect((await peer.until(repair.find(NAME))).value).toBeUndefined();
  await repair.close();
  await peer.run(5);
  expect([peer.ended, peer.clock.pendingTimers]).toEqual([1, 0]);
  expect((await peer.until(repair.find(NAME))).value).toBeUndefined();
  expect(peer.connections.length).toBe(1);
  await peer.close();
});

test('what was found belongs to who asked, and holds no more memory than it is long', async () => {
  const peer = await RawPeer.open();
  const { repair } = repairFrom(peer);
  peer.react = () => FOUND;
  const { value } = await peer.until(repair.find(NAME));
  expect(value?.buffer.byteLength).toBe(VALUE.length);
  await repair.close();
  await peer.close();
});

test('a connection that has ended meanwhile is no trouble: another one is made', async () => {
  const peer = await RawPeer.open();
  const { repair, troubles } = repairFrom(peer);
  peer.react = () => FOUND;
  await peer.until(repair.find(NAME));
  await peer.connections[0]?.close();
  await peer.run(5);
  expect((await peer.until(repair.find(NAME))).value).toEqual(VALUE);
  expect([peer.connections.length, troubles]).toEqual([2, []]);
  await repair.close();
  await peer.close();
});

test('many that ask a node which has fallen silent wait no longer than one does', async () => {
  const peer = await RawPeer.open();
  const { repair, troubles } = repairFrom(peer);
  peer.react = () => FOUND;
  await peer.until(repair.find(NAME));
  peer.react = () => undefined;
  const asked = Promise.all(Array.from({ length: 20 }, () => repair.find(NAME)));
  const { value, tookMs } = await peer.until(asked);
  expect(new Set(value)).toEqual(new Set([undefined]));
  // Once over the connection that was there, and once over another one.
  expect(tookMs).toBeLessThan(3 * PATIENCE_MS);
  expect(new Set(troubles)).toEqual(new Set(['a']));
  await peer.run(5);
  expect(peer.ended).toBe(peer.connections.length);
  await repair.close();
  await peer.close();
});

test('no more than a number wait at once, and what is beyond it is answered at once', async () => {
  const peer = await RawPeer.open();
  const { repair } = repairFrom(peer);
  const asked = Array.from({ length: 256 }, () => repair.find(NAME));
  await peer.run(10);
  const { value, tookMs } = await peer.until(repair.find(NAME));
  expect([value, tookMs, peer.asked.length]).toEqual([undefined, 0, 256]);
  await peer.until(Promise.all(asked));
  peer.react = () => FOUND;
  expect((await peer.until(repair.find(NAME))).value).toEqual(VALUE);
  await repair.close();
  await peer.close();
});

test('what waits when it is closed is answered at once, and nobody else is asked', async () => {
  const peer = await RawPeer.open();
  const { network, clock, nodeId, address, answerLimitMs } = peer.target();
  const troubles: string[] = [];
  let isOver = false;
  const repair = new ValueRepair({
    network,
    clock,
    answerLimitMs,
    sources: () => [{ nodeId, address }, nobody('x', 0)],
    onTrouble: (name) => troubles.push(name),
  });
  const asked = repair.find(NAME).then(() => {
    isOver = true;
  });
  await peer.run(10);
  await repair.close();
  await peer.turn();
  expect([isOver, troubles, peer.connections.length]).toEqual([true, [], 1]);
  await asked;
  expect((await peer.until(repair.find(NAME))).value).toBeUndefined();
  expect(peer.connections.length).toBe(1);
  await peer.close();
});
