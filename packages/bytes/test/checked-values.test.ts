import { describe, expect, test } from 'vitest';
import {
  InvariantError,
  invariant,
  logIndex,
  MalformedBytesError,
  OperatingError,
  term,
  unreachable,
} from '../src/index.ts';

describe.each([
  ['a term', term],
  ['a log index', logIndex],
])('%s', (_name, brand) => {
  test('is a safe integer from 0', () => {
    for (const value of [0, 1, Number.MAX_SAFE_INTEGER]) expect(brand(value)).toBe(value);
    for (const value of [-1, 0.5, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => brand(value)).toThrow(InvariantError);
    }
  });
});

test('an invariant that holds is silent, one that does not stops with its message', () => {
  invariant(true, 'holds');
  invariant('text', 'holds');
  for (const condition of [false, 0, '', undefined, null]) {
    expect(() => invariant(condition, 'it must hold')).toThrow(new InvariantError('it must hold'));
  }
  expect(() => unreachable('new kind' as never, 'no such kind')).toThrow('no such kind: new kind');
});

test('an operating error has its class as name, its code, and its cause', () => {
  const cause = new Error('below');
  const error = new MalformedBytesError('cut short', { cause });
  expect(error).toBeInstanceOf(OperatingError);
  expect(error).not.toBeInstanceOf(InvariantError);
  expect(error).toMatchObject({
    name: 'MalformedBytesError',
    code: 'MALFORMED_BYTES',
    retryable: false,
    message: 'cut short',
    cause,
  });
});
