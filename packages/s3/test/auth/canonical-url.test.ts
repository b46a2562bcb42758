import { describe, expect, test } from 'vitest';
import {
  canonicalPath,
  canonicalQuery,
  queryParameters,
  splitTarget,
} from '../../src/auth/canonical-url.ts';

describe('canonicalPath', () => {
  test.each([
    ['', '/'],
    ['/', '/'],
    ['/a/b-c_d.e~f', '/a/b-c_d.e~f'],
    ['//a//../.', '//a//../.'],
    ['/a b', '/a%20b'],
    ['/a+b', '/a%2Bb'],
    ['/a%2Bb', '/a%2Bb'],
    ['/a%2bb', '/a%2Bb'],
    ['/%41', '/A'],
    ['/%zz%', '/%25zz%25'],
    ['/%%41', '/%25A'],
    ['/\u00e4', '/%E4'],
    ['/\u20ac\u{1f600}', '/%E2%82%AC%F0%9F%98%80'],
  ])('%s is %s', (raw, canonical) => {
    expect(canonicalPath(raw)).toBe(canonical);
  });

  test('is a fixed point', () => {
    for (const path of ['/a b', '/%zz', '/\u00ff', '/a+%2b']) {
      expect(canonicalPath(canonicalPath(path))).toBe(canonicalPath(path));
    }
  });
});

describe('canonicalQuery', () => {
  test.each([
    ['', ''],
    ['acl', 'acl='],
    ['acl=', 'acl='],
    ['b=1&a=2', 'a=2&b=1'],
    ['a=2&a=1', 'a=1&a=2'],
    ['a=&a-b=&a.b=&a1=', 'a=&a-b=&a.b=&a1='],
    ['a1=&a.b=&a-b=&a=', 'a=&a-b=&a.b=&a1='],
    ['p=a/b', 'p=a%2Fb'],
    ['p=a+b', 'p=a%20b'],
    ['p=a%2Bb', 'p=a%2Bb'],
    ['p=a=b', 'p=a%3Db'],
    ['&&a&', 'a='],
  ])('%s is %s', (raw, canonical) => {
    expect(canonicalQuery(queryParameters(raw))).toBe(canonical);
  });
});

describe('splitTarget', () => {
  test.each([
    ['/a?b?c', '/a', 'b?c'],
    ['/a', '/a', undefined],
    ['/a?', '/a', ''],
    ['http://host:1/a?b', '/a', 'b'],
    ['http://host?b', '', 'b'],
    ['http://host', '', undefined],
    ['*', '*', undefined],
    ['/a://b/c', '/a://b/c', undefined],
  ])('%s', (rawUrl, path, query) => {
    expect(splitTarget(rawUrl)).toEqual({ path, query });
  });
});
