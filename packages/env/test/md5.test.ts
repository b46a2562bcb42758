import { hash } from 'node:crypto';
import { expect, test } from 'vitest';
import { NodeClock } from '../src/node/index.ts';
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

test('messages of one turn are hashed when there are four, and what is left when the turn ends', async () => {
  const together = new Md5OfTurn(loadLanes());
  const clock = new NodeClock();
  for (const count of [1, 2, 3, 4, 5, 8]) {
    const messages = Array.from({ length: count }, (_, at) => message(1000 + at, at));
    const digests: string[] = [];
    for (const [at, bytes] of messages.entries()) {
      void together.digest(bytes).then((digest) => {
        digests[at] = hexOf(digest);
      });
    }
    for (let microtask = 0; microtask < 10; microtask++) await Promise.resolve();
    expect(digests).toHaveLength(count - (count % 4));
    await clock.turn();
    expect(digests).toEqual(messages.map((bytes) => hash('md5', bytes)));
  }
});

test('a message that fits into no lane is not taken', () => {
  const together = new Md5OfTurn(loadLanes());
  expect(together.takes(new Uint8Array(MD5_MESSAGE_BYTES))).toBe(true);
  expect(together.takes(new Uint8Array(MD5_MESSAGE_BYTES + 1))).toBe(false);
});
