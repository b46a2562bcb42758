import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { RawRequest } from '../../src/auth/index.ts';
import { AuthError, createAuthenticator, requestHeaders } from '../../src/auth/index.ts';
import {
  ACCESS_KEY,
  presignedRequest,
  SECRET_KEY,
  signedRequest,
  TIME_MS,
} from './request-signer.ts';

const authenticator = createAuthenticator({
  findSecret: (accessKeyId) => (accessKeyId === ACCESS_KEY ? SECRET_KEY : undefined),
  nowMs: () => TIME_MS,
  region: 'us-east-1',
});

/** The kind of answer; an error that is not an AuthError fails the test. */
function outcome(request: RawRequest): string {
  try {
    return authenticator.authenticate(request).kind;
  } catch (error) {
    expect(error).toBeInstanceOf(AuthError);
    return 'refused';
  }
}

function awsEncode(text: string, keepSlash: boolean): string {
  const encoded = encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return keepSlash ? encoded.replaceAll('%2F', '/') : encoded;
}

const anyText = fc.string({ unit: 'binary', maxLength: 24 }).filter((text) => text.isWellFormed());

test('any key and any query that a correct client signs is accepted', () => {
  const pairs = fc.uniqueArray(
    fc.tuple(
      anyText.filter((name) => name !== ''),
      anyText,
    ),
    {
      selector: ([name]) => name,
      maxLength: 4,
    },
  );
  fc.assert(
    fc.property(anyText, pairs, (key, query) => {
      const encoded = query
        .map(([name, value]) => [awsEncode(name, false), awsEncode(value, false)] as const)
        .sort(([left], [right]) => (left < right ? -1 : 1));
      const request = signedRequest({ path: `/b/${awsEncode(key, true)}`, query: encoded });
      expect(outcome(request)).toBe('signed');
    }),
  );
});

test('one changed character of the target is never accepted, unless it means the same', () => {
  const path = '/bucket/some//key%20with%2Fescapes';
  const request = signedRequest({
    path,
    canonicalPath: '/bucket/some//key%20with/escapes',
    query: [
      ['max-keys', '2'],
      ['prefix', 'a%2Fb'],
    ],
  });
  expect(outcome(request)).toBe('signed');
  const { rawUrl } = request;
  const printable = fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code));
  fc.assert(
    fc.property(fc.nat({ max: rawUrl.length - 1 }), printable, (at, character) => {
      const tampered = rawUrl.slice(0, at) + character + rawUrl.slice(at + 1);
      const sameMeaning = tampered.toUpperCase() === rawUrl.toUpperCase() && rawUrl[at - 1] === '%';
      fc.pre(tampered !== rawUrl && !sameMeaning && !/%2f/i.test(tampered.slice(at - 2, at + 1)));
      expect(outcome({ ...request, rawUrl: tampered })).toBe('refused');
    }),
    { numRuns: 1000 },
  );
});

test('whatever is sent, the answer is an authentication or an AuthError', () => {
  const names = fc.constantFrom(
    'authorization',
    'host',
    'date',
    'x-amz-date',
    'x-amz-content-sha256',
    'x-amz-security-token',
    'x-amz-meta-a',
  );
  const values = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 80 }),
    fc.constantFrom(
      'AWS4-HMAC-SHA256 Credential=a/20130524/us-east-1/s3/aws4_request,SignedHeaders=host,Signature=0',
      '20130524T000000Z',
      'UNSIGNED-PAYLOAD',
    ),
  );
  const urls = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 60 }),
    fc.string({ maxLength: 60 }).map((text) => `/?X-Amz-Signature=${text}`),
    fc.constant(presignedRequest().rawUrl),
  );
  fc.assert(
    fc.property(fc.string(), urls, fc.array(fc.tuple(names, values)), (method, rawUrl, headers) => {
      outcome({ method, rawUrl, headers: requestHeaders(headers.flat()) });
    }),
    { numRuns: 2000 },
  );
});

test('a signed request with any part replaced by garbage is never accepted as another', () => {
  const request = signedRequest({ path: '/b/k', headers: { 'x-amz-meta-a': 'v' } });
  const names = fc.constantFrom(...request.headers.keys());
  // One character a byte, as Node gives headers.
  const values = fc.uint8Array({ maxLength: 90 }).map((b) => Buffer.from(b).toString('latin1'));
  fc.assert(
    fc.property(names, values, (name, value) => {
      fc.pre(value.trim() !== request.headers.get(name)?.trim());
      const headers = new Map(request.headers).set(name, value);
      const kind = outcome({ ...request, headers });
      expect(kind).toBe(name === 'authorization' && value === '' ? 'anonymous' : 'refused');
    }),
    { numRuns: 2000 },
  );
});
