import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  compareBytes,
  concatBytes,
  copyOfBytes,
  equalBytes,
  fromHex,
  fromUtf8,
  prefixEnd,
  putU32,
  startsWithBytes,
  toHex,
  utf8,
} from '../src/index.ts';

// Few values, so that shared prefixes, equal arrays and runs of 0xff are common.
const bytes = fc
  .array(fc.constantFrom(0, 1, 0x7f, 0x80, 0xfe, 0xff), { maxLength: 6 })
  .map((values) => Uint8Array.from(values));

test('compareBytes orders as unsigned bytes, as Buffer.compare does', () => {
  fc.assert(
    fc.property(bytes, bytes, (left, right) => {
      expect(Math.sign(compareBytes(left, right))).toBe(Buffer.compare(left, right));
      expect(equalBytes(left, right)).toBe(Buffer.compare(left, right) === 0);
    }),
    { numRuns: 1000 },
  );
});

test('startsWithBytes is true for exactly the beginnings', () => {
  fc.assert(
    fc.property(bytes, bytes, (whole, prefix) => {
      const expected = toHex(whole).startsWith(toHex(prefix));
      expect(startsWithBytes(whole, prefix)).toBe(expected);
      expect(startsWithBytes(concatBytes([prefix, whole]), prefix)).toBe(true);
      const behind = concatBytes([whole, prefix]);
      expect(startsWithBytes(behind, prefix, whole.length)).toBe(true);
      expect(startsWithBytes(behind, Uint8Array.of(...prefix, 0), whole.length)).toBe(false);
    }),
  );
});

test('[prefix, prefixEnd) holds exactly the keys that begin with the prefix', () => {
  fc.assert(
    fc.property(bytes, bytes, (prefix, key) => {
      const end = prefixEnd(prefix);
      const inRange =
        compareBytes(key, prefix) >= 0 && (end === undefined || compareBytes(key, end) < 0);
      expect(inRange).toBe(startsWithBytes(key, prefix));
    }),
    { numRuns: 1000 },
  );
});

test('only a prefix of nothing but 0xff has no end', () => {
  expect(prefixEnd(new Uint8Array(0))).toBeUndefined();
  expect(prefixEnd(Uint8Array.of(0xff, 0xff))).toBeUndefined();
  expect(prefixEnd(Uint8Array.of(1, 0xff, 0xff))).toEqual(Uint8Array.of(2));
  const prefix = Uint8Array.of(1, 2);
  expect(prefixEnd(prefix)).toEqual(Uint8Array.of(1, 3));
  expect(prefix).toEqual(Uint8Array.of(1, 2));
});

test('concatBytes is one new array with the parts in order', () => {
  fc.assert(
    fc.property(fc.array(bytes), (parts) => {
      expect(concatBytes(parts)).toEqual(new Uint8Array(Buffer.concat(parts)));
    }),
  );
});

test('hexadecimal and UTF-8 give back what they were given', () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.string({ unit: 'grapheme' }), (some, text) => {
      expect(fromHex(toHex(some))).toEqual(some);
      expect(fromHex(toHex(some).toUpperCase())).toEqual(some);
      expect(fromUtf8(utf8(text))).toBe(text);
    }),
  );
});

test('what is no hexadecimal or no UTF-8 is refused', () => {
  for (const text of ['0', 'zz', '0x00', ' 00']) expect(() => fromHex(text)).toThrow('hexadecimal');
  expect(() => fromUtf8(Uint8Array.of(0xff))).toThrow(TypeError);
  expect(fromUtf8(Uint8Array.of(0xef, 0xbb, 0xbf, 0x61))).toBe('\ufeffa');
});

test.each([
  ['an array', Uint8Array.of(1, 2, 3, 4)],
  ['a Buffer, whose slice would be a view', Buffer.from([1, 2, 3, 4])],
])('a copy of a part of %s has memory of its own', (_, whole) => {
  const copy = copyOfBytes(whole.subarray(1, 3));
  whole.fill(9);
  expect(copy).toEqual(Uint8Array.of(2, 3));
  expect(copy.buffer.byteLength).toBe(2);
});

test('four bytes are put with the lowest first, where they are told to be, and no others', () => {
  const target = new Uint8Array(6).fill(9);
  putU32(target, 1, 0x8421_00ff);
  expect(toHex(target)).toBe('09ff00218409');
});
