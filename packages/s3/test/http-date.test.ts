import fc from 'fast-check';
import { expect, test } from 'vitest';
import { httpDate, isoDate, parseHttpDate } from '../src/http-date.ts';

const anyMs = fc.integer({ min: 0, max: Date.UTC(9999, 11, 31, 23, 59, 59) });

test('dates are written as the platform writes them, in whole seconds', () => {
  fc.assert(
    fc.property(anyMs, (ms) => {
      const seconds = Math.floor(ms / 1000) * 1000;
      expect(httpDate(ms)).toBe(new Date(ms).toUTCString());
      expect(isoDate(ms)).toBe(new Date(seconds).toISOString());
      expect(parseHttpDate(httpDate(ms))).toBe(seconds);
    }),
    { numRuns: 2000 },
  );
});

test('the turns of centuries and leap days are dates', () => {
  for (const iso of ['1970-01-01', '2000-02-29', '2000-12-31', '2100-02-28', '2100-03-01']) {
    const ms = Date.parse(`${iso}T23:59:59Z`);
    expect(isoDate(ms)).toBe(`${iso}T23:59:59.000Z`);
  }
});

test('what is no date is no date', () => {
  for (const text of [undefined, '', '1', '2000', 'soon', 'Mon, 99 Foo']) {
    expect(parseHttpDate(text)).toBeUndefined();
  }
});
