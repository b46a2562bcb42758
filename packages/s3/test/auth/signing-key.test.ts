import { createHash, createHmac } from 'node:crypto';
import { InvariantError } from '@holdfast/bytes';
import { expect, test } from 'vitest';
import { SigningKey } from '../../src/auth/signing-key.ts';

const bytes = createHash('sha256').update('a key').digest();

const expected = (text: string) => createHmac('sha256', bytes).update(text).digest('hex');

test('a key signs as an HMAC does, whatever the length of the text', () => {
  const key = new SigningKey(bytes);
  const lengths = [
    0, 1, 55, 56, 63, 64, 65, 119, 120, 341, 342, 1023, 1024, 1025, 5000, 3, 70_000, 9,
  ];
  for (const length of lengths) {
    const text = 'x'.repeat(length);
    expect(key.sign(text), `${length} characters`).toBe(expected(text));
  }
});

test('a text that is not ASCII is signed as its UTF-8', () => {
  const key = new SigningKey(bytes);
  for (const text of ['é', '€'.repeat(340), '€'.repeat(2000), '😀'.repeat(700), 'end']) {
    expect(key.sign(text)).toBe(expected(text));
  }
});

test('two keys do not share what they sign with', () => {
  const other = createHash('sha256').update('another').digest();
  const keys = [new SigningKey(bytes), new SigningKey(other)];
  const signatures = keys.map((key) => key.sign('text'));
  expect(signatures).toEqual(
    [bytes, other].map((key) => createHmac('sha256', key).update('text').digest('hex')),
  );
  expect(keys.map((key) => key.sign('text'))).toEqual(signatures);
});

test('a key keeps its bytes when those that it was made of change', () => {
  const own = Buffer.from(bytes);
  const key = new SigningKey(own);
  own.fill(0);
  expect(key.sign('text')).toBe(expected('text'));
});

test('a key of another length is refused', () => {
  for (const length of [0, 31, 33, 64]) {
    expect(() => new SigningKey(new Uint8Array(length))).toThrow(InvariantError);
  }
});

test('a key that is printed shows none of its bytes', () => {
  expect(JSON.stringify(new SigningKey(bytes))).toBe('{}');
});
