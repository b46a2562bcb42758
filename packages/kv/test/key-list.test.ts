import { compareBytes, toHex } from '@holdfast/bytes';
import { SeededRandom } from '@holdfast/env/memory';
import { describe, expect, test } from 'vitest';
import { hashKey } from '../src/bloom-filter.ts';
import { KeyList } from '../src/key-list.ts';

const KEYS = 3000;

/** Ways in which keys may be alike, each made of a number and random ones. */
const SHAPES: Readonly<Record<string, (random: SeededRandom, number: number) => Uint8Array>> = {
  'random, behind one prefix': (random) => bytesOf('bucket/objects/', random.bytes(6)),
  'of few letters and all lengths, empty and prefixes of others among them': (random) =>
    Uint8Array.from({ length: random.below(9) }, () => [0, 1, 255][random.below(3)] as number),
  'alike but for their last bytes': (random) =>
    bytesOf('a'.repeat(random.below(40)), Uint8Array.of(random.below(256), random.below(256))),
  'random from their first bytes on, empty ones among them': (random) =>
    random.bytes(random.below(9)),
  'of two beginnings that differ in their sixth byte': (random) =>
    bytesOf(`space${random.below(2)}`, random.bytes(2)),
  ascending: (_, number) => bytesOf('key-', Uint8Array.of(number >>> 8, number & 255)),
  descending: (_, number) =>
    bytesOf('key-', Uint8Array.of((KEYS - number) >>> 8, (KEYS - number) & 255)),
  'of two spaces in turns': (_, number) =>
    bytesOf(number % 2 === 0 ? 'a/same' : 'z/same', Uint8Array.of(number >>> 8, number & 255)),
};

function bytesOf(prefix: string, rest: Uint8Array): Uint8Array {
  return Uint8Array.from([...Buffer.from(prefix), ...rest]);
}

/** Nodes that a walk sees. */
function walk(from: number, step: (node: number) => number): number[] {
  const nodes: number[] = [];
  for (let node = from; node !== 0; node = step(node)) nodes.push(node);
  return nodes;
}

describe('a list of keys', () => {
  for (const [shape, keyOf] of Object.entries(SHAPES)) {
    test(`${shape}: has all in order, both ways, and finds each place`, () => {
      const random = new SeededRandom(7);
      const list = new KeyList();
      const added = new Map<string, { readonly key: Uint8Array; readonly value: number }>();
      for (let number = 0; number < KEYS; number++) {
        const key = keyOf(random, number);
        const hash = hashKey(key);
        const known = added.get(toHex(key));
        const node = list.find(key, hash);
        expect(node === 0 ? undefined : list.valueOf(node)).toBe(known?.value);
        if (known !== undefined) continue;
        added.set(toHex(key), { key, value: number });
        list.add(key, hash, number);
      }
      const sorted = [...added.values()].sort((left, right) => compareBytes(left.key, right.key));
      const values = sorted.map(({ value }) => value);
      expect(list.count).toBe(values.length);
      const forwards = walk(list.first(), (node) => list.next(node));
      expect(forwards.map((node) => list.valueOf(node))).toEqual(values);
      expect(forwards.map((node) => toHex(list.keyOf(node)))).toEqual(
        sorted.map(({ key }) => toHex(key)),
      );
      const backwards = walk(list.last(), (node) => list.previous(node));
      expect(backwards).toEqual([...forwards].reverse());
      for (let asked = 0; asked < 2000; asked++) {
        const key = keyOf(random, random.below(KEYS * 2));
        const after = sorted.find((each) => compareBytes(each.key, key) >= 0);
        const before = sorted.findLast((each) => compareBytes(each.key, key) <= 0);
        const found = [list.firstAtOrAfter(key), list.lastAtOrBefore(key)];
        expect(found.map((node) => (node === 0 ? undefined : list.valueOf(node)))).toEqual([
          after?.value,
          before?.value,
        ]);
      }
    });
  }

  test('a walk that stands at a node goes on in order while keys are added around it', () => {
    const random = new SeededRandom(3);
    const list = new KeyList();
    const add = (): void => {
      const key = random.bytes(5);
      if (list.find(key, hashKey(key)) === 0) list.add(key, hashKey(key), 1);
    };
    for (let number = 0; number < 200; number++) add();
    let last = new Uint8Array(0);
    for (let node = list.first(); node !== 0; node = list.next(node)) {
      const key = list.keyOf(node);
      expect(compareBytes(last, key)).toBeLessThan(0);
      last = Uint8Array.from(key);
      if (list.count < 4000) for (let number = 0; number < 20; number++) add();
    }
    expect(list.count).toBeGreaterThan(2000);
  });

  test('an empty one has no first and no last key, and none of any place', () => {
    const list = new KeyList();
    const key = Uint8Array.of(1);
    expect([list.first(), list.last(), list.find(key, hashKey(key))]).toEqual([0, 0, 0]);
    expect([list.firstAtOrAfter(key), list.lastAtOrBefore(key)]).toEqual([0, 0]);
  });
});
