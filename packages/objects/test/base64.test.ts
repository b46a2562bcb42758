import { expect, test } from 'vitest';
import { fromBase64, toBase64 } from '../src/base64.ts';

test('base64 is what Node makes and reads, at every length', () => {
  for (let length = 0; length < 70; length++) {
    const bytes = Uint8Array.from({ length }, (_, at) => (at * 151 + length * 29) & 0xff);
    const text = Buffer.from(bytes).toString('base64');
    expect(toBase64(bytes)).toBe(text);
    expect(fromBase64(text)).toEqual(bytes);
  }
});

test.each([
  'A',
  'AA',
  'AAA',
  'A===',
  '====',
  'AA=A',
  'A=AA',
  '=AAA',
  'AA==AAAA',
  'AAAA=',
  'AA A',
  'AAA-',
  'AAA_',
  'AAAé',
  'AAA\u0101',
])('%j is no base64', (text) => {
  expect(fromBase64(text)).toBeUndefined();
});
