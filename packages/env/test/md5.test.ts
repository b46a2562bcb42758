import { hash } from 'node:crypto';
import { expect, test } from 'vitest';
import { createNodeEnv, NodeClock } from '../src/node/index.ts';
import { MD5_MESSAGE_BYTES, Md5Lanes } from '../src/node/md5-lanes.ts';
import { Md5OfTurn } from '../src/node/md5-of-turn.ts';

function loadLanes(): Md5Lanes {
  const lanes = Md5Lanes.load();
  if (lanes === undefined) throw new Error('this machine has no vector instructions');
  return lanes;
}

function message(length: number, first: number): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => (first + at * 31 + (at >> 8)) & 0xff);
}

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

test('MD5 of messages side by side is what OpenSSL says, whatever their lengths', () => {
  const lanes = loadLanes();
  const lengths = Array.from({ length: 200 }, (_, length) => length);
  lengths.push(4095, 4096, 4097, 10_000, MD5_MESSAGE_BYTES - 1, MD5_MESSAGE_BYTES);
  for (const [at, length] of lengths.entries()) {
    for (let count = 1; count <= 4; count++) {
      const others = [lengths.at(-at), 4096, lengths[(at * 7) % lengths.length]];
      const messages = [length, ...others].map((each, lane) => message(each ?? 0, at + lane));
      const some = messages.slice(0, count);
      expect(lanes.digests(some).map(hexOf)).toEqual(some.map((bytes) => hash('md5', bytes)));
    }
  }
});

test('messages wait for each other, four at a time, where the turn before had as many', async () => {
  const together = new Md5OfTurn(loadLanes());
  const clock = new NodeClock();
  for (const [count, atOnce] of [
    [8, 8],
    [5, 4],
    [3, 0],
    [2, 2],
    [4, 4],
    [1, 0],
  ] as const) {
    const messages = Array.from({ length: count }, (_, at) => message(1000 + at, at));
    const digests: string[] = [];
    for (const [at, bytes] of messages.entries()) {
      void Promise.resolve(together.digest(bytes)).then((digest) => {
        digests[at] = hexOf(digest);
      });
    }
    for (let microtask = 0; microtask < 10; microtask++) await Promise.resolve();
    expect(digests).toHaveLength(atOnce);
    await clock.turn();
    expect(digests).toEqual(messages.map((bytes) => hash('md5', bytes)));
  }
});

test('all digests of a body are the same, whether it waits for others or not', async () => {
  const { digests, clock } = await createNodeEnv();
  const bodies = [0, 1, 4096, 4096, 100, 16_384, 16_385].map((length, at) => message(length, at));
  for (let turn = 0; turn < 3; turn++) {
    const soon = bodies.map(async (body) => digests.computeSoon(['md5', 'sha256'], body));
    for (const [at, results] of (await Promise.all(soon)).entries()) {
      const expected = digests.compute(['md5', 'sha256'], bodies[at] as Uint8Array);
      for (const [name, digest] of expected) {
        expect(hexOf(results.get(name) as Uint8Array)).toBe(hexOf(digest));
      }
    }
    await clock.turn();
  }
  await digests.close();
});

test('a message that fits into no lane is not taken', () => {
  const together = new Md5OfTurn(loadLanes());
  expect(together.takes(new Uint8Array(MD5_MESSAGE_BYTES))).toBe(true);
  expect(together.takes(new Uint8Array(MD5_MESSAGE_BYTES + 1))).toBe(false);
});
