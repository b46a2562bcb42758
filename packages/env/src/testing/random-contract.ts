import { describe, expect, test } from 'vitest';
import type { Random } from '../random.ts';

/** What every `Random` must do, as vitest tests; call it at the top level of a test file. */
export function randomContract(name: string, makeRandom: () => Random): void {
  describe(name, () => {
    test('bytes gives as many as asked, all values, none twice the same', () => {
      const random = makeRandom();
      expect(random.bytes(0).length).toBe(0);
      expect(random.bytes(7).length).toBe(7);
      const seen = new Set(random.bytes(65_536));
      expect(seen.size).toBe(256);
      expect(random.bytes(16)).not.toEqual(random.bytes(16));
    });

    test('below gives every integer of the range about as often', () => {
      const random = makeRandom();
      const counts = new Array<number>(7).fill(0);
      for (let draw = 0; draw < 70_000; draw++) {
        const value = random.below(7);
        counts[value] = (counts[value] as number) + 1;
      }
      expect(counts.length).toBe(7);
      // 10,000 are expected of each, with a standard deviation of 93.
      for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(700);
    });

    test('below favours no part of a range that does not divide 2^32', () => {
      const random = makeRandom();
      let low = 0;
      for (let draw = 0; draw < 6000; draw++) if (random.below(3 * 2 ** 30) < 2 ** 30) low += 1;
      // A third is expected, 2,000 with a standard deviation of 37; a plain remainder gives half.
      expect(Math.abs(low - 2000)).toBeLessThan(300);
    });

    test('below takes bounds from 1 to 2^32 and refuses others', () => {
      const random = makeRandom();
      expect(random.below(1)).toBe(0);
      const large = Array.from({ length: 100 }, () => random.below(2 ** 32));
      expect(large.every((value) => Number.isInteger(value) && value >= 0 && value < 2 ** 32)).toBe(
        true,
      );
      expect(Math.max(...large)).toBeGreaterThan(2 ** 31);
      for (const bound of [0, -1, 1.5, 2 ** 32 + 1, Number.NaN]) {
        expect(() => random.below(bound)).toThrow('not a bound');
      }
    });
  });
}
