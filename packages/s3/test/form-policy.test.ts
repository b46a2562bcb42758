import { expect, test } from 'vitest';
import { checkFormPolicy, parseFormPolicy } from '../src/form/form-policy.ts';

const expiration = '2030-01-02T03:04:05.000Z';
const parsed = (document: unknown) => parseFormPolicy(JSON.stringify(document));

test.each([
  ['no object', 'text', 'Invalid JSON.'],
  ['null', null, 'Invalid JSON.'],
  ['without an expiration', { conditions: [] }, 'Policy missing expiration.'],
  [
    'with a date that is none',
    { expiration: 'soon', conditions: [] },
    "'expiration' value: 'soon'",
  ],
  [
    'with a date without a time',
    { expiration: '2030-01-02', conditions: [] },
    "'expiration' value",
  ],
  [
    'with a date of another zone',
    { expiration: '2030-01-02T03:04:05+01:00', conditions: [] },
    "'expiration' value",
  ],
  [
    'with a day that there is not',
    { expiration: '2030-13-02T03:04:05Z', conditions: [] },
    "'expiration' value",
  ],
  ['without conditions', { expiration }, 'Policy missing conditions.'],
  ['with a condition that is null', { expiration, conditions: [null] }, 'Invalid Condition.'],
  ['with a condition that is a text', { expiration, conditions: ['eq'] }, 'Invalid Condition.'],
  ['with another operator', { expiration, conditions: [['ends-with', '$key', 'a']] }, 'Invalid'],
  [
    'with a condition of four',
    { expiration, conditions: [['eq', '$key', 'a', 'b']] },
    'Invalid eq: wrong number of arguments.',
  ],
  ['with a field that is no text', { expiration, conditions: [['eq', 1, 'a']] }, 'Invalid'],
  ['with a value that is no text', { expiration, conditions: [['eq', '$key', 1]] }, 'Invalid'],
  ['with an object of two', { expiration, conditions: [{ a: 'b', c: 'd' }] }, 'exactly one'],
  ['with an object of a number', { expiration, conditions: [{ a: 1 }] }, 'Invalid Condition.'],
  [
    'with a range of one',
    { expiration, conditions: [['content-length-range', 1]] },
    'needs two numbers',
  ],
  [
    'with a range of three',
    { expiration, conditions: [['content-length-range', 1, 2, 3]] },
    'needs two numbers',
  ],
  [
    'with a range of no numbers',
    { expiration, conditions: [['content-length-range', '1x', {}]] },
    'needs two numbers',
  ],
  [
    'with a range below zero',
    { expiration, conditions: [['content-length-range', -1, 2]] },
    'needs two numbers',
  ],
])('a policy that is, or comes, %s is refused', (_what, document, message) => {
  expect(() => parsed(document)).toThrow(message);
});

test.each([
  [['eq', 'key', 'a']],
  [['starts-with', 'key', '']],
  [['content-length-range', 'test', '10']],
  [['content-length-range', '1', '']],
])(
  'a condition that names no field, or no number, is one that no form fulfils: %o',
  (condition) => {
    const policy = parsed({ expiration, conditions: [{ key: 'a' }, condition] });
    expect(() => checkFormPolicy(policy, new Map([['key', 'a']]), 0)).toThrow(
      `Policy Condition failed: ["${condition.join('", "')}"]`,
    );
  },
);

test('numbers of a range may be texts, and all ranges of a policy hold', () => {
  const range = (...ranges: readonly unknown[]) =>
    parsed({ expiration, conditions: ranges }).sizeRange;
  expect(range(['Content-Length-Range', '1', 20])).toEqual({ minimum: 1, maximum: 20 });
  expect(range(['content-length-range', 5, 10], ['content-length-range', 1, 1000])).toEqual({
    minimum: 5,
    maximum: 10,
  });
  expect(range(['content-length-range', 1, 1000], ['content-length-range', 5, 10])).toEqual({
    minimum: 5,
    maximum: 10,
  });
});

test('each type of a list must begin as the policy says, and other values as they are', () => {
  const policy = parsed({
    expiration,
    conditions: [
      ['starts-with', '$Content-Type', 'image/'],
      ['starts-with', '$key', 'a'],
    ],
  });
  const check = (type: string, key: string): (() => void) => {
    const fields = new Map([
      ['content-type', type],
      ['key', key],
    ]);
    return () => checkFormPolicy(policy, fields, 0);
  };
  expect(check('image/png, image/gif', 'a,b')).not.toThrow();
  expect(check('image/png, text/html', 'a')).toThrow('Policy Condition failed');
  expect(check('image/png', 'b')).toThrow('Policy Condition failed');
});
