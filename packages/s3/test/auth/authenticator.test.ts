import { describe, expect, test } from 'vitest';
import type { RawRequest } from '../../src/auth/index.ts';
import { AuthError, createAuthenticator, requestHeaders } from '../../src/auth/index.ts';
import { authenticate, refusal, withHeader } from './authentication-fixtures.ts';
import {
  ACCESS_KEY,
  type Draft,
  presignedRequest,
  SECRET_KEY,
  SHA256_OF_NOTHING,
  signedRequest,
  TIME_MS,
} from './request-signer.ts';

const MINUTE_MS = 60_000;
const signed = { kind: 'signed', accessKeyId: ACCESS_KEY };

describe('a request without a signature', () => {
  const headers = requestHeaders(['Host', 'localhost']);

  test('is anonymous', () => {
    expect(authenticate({ method: 'GET', rawUrl: '/b/k', headers })).toMatchObject({
      kind: 'anonymous',
      payload: 'unsigned',
    });
  });

  test('is anonymous too when its Authorization header is empty', () => {
    const request = { method: 'GET', rawUrl: '/b/k', headers };
    expect(authenticate(withHeader(request, 'authorization', ''))).toMatchObject({
      kind: 'anonymous',
    });
  });

  test('may have an unsigned trailer, but no signed chunks', () => {
    const request = { method: 'PUT', rawUrl: '/b/k', headers };
    const name = 'x-amz-content-sha256';
    expect(
      authenticate(withHeader(request, name, 'STREAMING-UNSIGNED-PAYLOAD-TRAILER')).payload,
    ).toBe('streaming-unsigned-trailer');
    const chunks = withHeader(request, name, 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD');
    expect(refusal(chunks).code).toBe('InvalidRequest');
  });
});

describe('what is signed is accepted', () => {
  const accepted: [string, Draft][] = [
    ['a path with empty, dot and dot-dot segments, which S3 keeps', { path: '/b//a/./../c//' }],
    [
      'a path in which the client left characters unencoded that S3 encodes',
      { path: "/b/a+b(c)!*'@:$", canonicalPath: '/b/a%2Bb%28c%29%21%2A%27%40%3A%24' },
    ],
    ['a path with lower-case escapes', { path: '/b/%c3%a4%2b', canonicalPath: '/b/%C3%A4%2B' }],
    ['a path with a needless escape', { path: '/b/%61%7e', canonicalPath: '/b/a~' }],
    ['a path with raw bytes', { path: '/b/\xc3\xa4', canonicalPath: '/b/%C3%A4' }],
    ['a percent sign that escapes nothing', { path: '/b/5%', canonicalPath: '/b/5%25' }],
    [
      'a query whose names share a beginning',
      {
        query: [
          ['a', '2'],
          ['a', '3'],
          ['a-b', ''],
          ['a.b', '1'],
          ['aa', '1'],
        ],
      },
    ],
    ['a header with inner and outer spaces', { headers: { 'x-amz-meta-a': '  b \t  c  ' } }],
    ['a header with bytes that are not ASCII', { headers: { 'x-amz-meta-a': '\xc3\xa4 \xff' } }],
    ['a header that is empty', { headers: { 'x-amz-meta-a': '' } }],
    ['an unsigned payload', { method: 'PUT', payload: 'UNSIGNED-PAYLOAD' }],
  ];

  test.each(accepted)('%s', (_, draft) => {
    expect(authenticate(signedRequest(draft))).toMatchObject(signed);
  });

  test('the query in another order', () => {
    const request = signedRequest({
      query: [
        ['a', '1'],
        ['b', '2'],
      ],
    });
    expect(authenticate({ ...request, rawUrl: '/?b=2&&a=1' })).toMatchObject(signed);
  });

  test('a header sent twice, its values joined with a comma', () => {
    const request = signedRequest({ headers: { 'x-amz-meta-a': '1,2' } });
    const raw = [...request.headers].flatMap(([name, value]) =>
      name === 'x-amz-meta-a' ? ['X-Amz-Meta-A', '1', 'x-amz-meta-a', '2'] : [name, value],
    );
    expect(authenticate({ ...request, headers: requestHeaders(raw) })).toMatchObject(signed);
  });

  test('an absolute request target', () => {
    const request = signedRequest({ path: '/b/k' });
    expect(authenticate({ ...request, rawUrl: 'http://localhost:9000/b/k' })).toMatchObject(signed);
  });

  test.each([
    'Fri, 24 May 2013 00:00:00 GMT',
    'Fri, 24 May 2013 00:00:00 -0000',
    '20130524T000000Z',
  ])('a request whose time is only in Date: %s', (httpDate) => {
    expect(authenticate(signedRequest({ httpDate }))).toMatchObject(signed);
  });

  test('an HTTP date in x-amz-date', () => {
    const request = signedRequest({ headers: { 'x-amz-date': 'Fri, 24 May 2013 00:00:00 GMT' } });
    expect(authenticate(request)).toMatchObject(signed);
  });

  test.each([
    ['UNSIGNED-PAYLOAD', 'unsigned'],
    ['STREAMING-AWS4-HMAC-SHA256-PAYLOAD', 'streaming-signed'],
    ['STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER', 'streaming-signed-trailer'],
    ['STREAMING-UNSIGNED-PAYLOAD-TRAILER', 'streaming-unsigned-trailer'],
    [SHA256_OF_NOTHING.toUpperCase(), { sha256: SHA256_OF_NOTHING }],
  ])('x-amz-content-sha256: %s', (payload, expected) => {
    expect(authenticate(signedRequest({ payload })).payload).toEqual(expected);
  });
});

describe('what was changed on the way does not match its signature', () => {
  const original: Draft = {
    method: 'GET',
    path: '/b/key',
    query: [['prefix', 'a']],
    headers: { 'x-amz-meta-a': '1' },
  };
  const request = signedRequest(original);
  const changed: [string, RawRequest][] = [
    ['the method', { ...request, method: 'DELETE' }],
    ['the path', { ...request, rawUrl: '/b/Key?prefix=a' }],
    ['a slash in the path', { ...request, rawUrl: '/b//key?prefix=a' }],
    ['a query value', { ...request, rawUrl: '/b/key?prefix=b' }],
    ['a query parameter more', { ...request, rawUrl: '/b/key?prefix=a&versionId=1' }],
    ['a query parameter less', { ...request, rawUrl: '/b/key' }],
    ['a signed header', withHeader(request, 'x-amz-meta-a', '2')],
    ['a signed header that is gone', withHeader(request, 'x-amz-meta-a', undefined)],
    ['the host', withHeader(request, 'host', 'other:9000')],
    ['the payload hash', withHeader(request, 'x-amz-content-sha256', 'UNSIGNED-PAYLOAD')],
    ['the time', withHeader(request, 'x-amz-date', '20130524T000001Z')],
  ];

  test.each(changed)('%s', (_, tampered) => {
    expect(authenticate(request)).toMatchObject(signed);
    expect(refusal(tampered).code).toBe('SignatureDoesNotMatch');
  });

  test('each digit of the signature counts, and so does its length', () => {
    const authorization = request.headers.get('authorization') as string;
    for (let digit = 1; digit <= 64; digit++) {
      const at = authorization.length - digit;
      const other = authorization[at] === '0' ? '1' : '0';
      const wrong = authorization.slice(0, at) + other + authorization.slice(at + 1);
      expect(refusal(withHeader(request, 'authorization', wrong)).code).toBe(
        'SignatureDoesNotMatch',
      );
    }
    for (const wrong of [authorization.slice(0, -1), `${authorization}0`]) {
      expect(refusal(withHeader(request, 'authorization', wrong)).code).toBe(
        'SignatureDoesNotMatch',
      );
    }
  });

  test('the refusal says what was signed and never the secret or the expected signature', () => {
    const right = (request.headers.get('authorization') as string).slice(-64);
    const error = refusal({ ...request, method: 'DELETE' });
    expect(error.canonicalRequest).toMatch(/^DELETE\n\/b\/key\nprefix=a\nhost:localhost:9000\n/);
    expect(error.stringToSign).toMatch(/^AWS4-HMAC-SHA256\n20130524T000000Z\n/);
    expect(error.details).toMatchObject({ AWSAccessKeyId: ACCESS_KEY, SignatureProvided: right });
    expect(error.details['StringToSignBytes']).toMatch(/^41 57 53 34 /);
    expect(JSON.stringify([error.message, error.details])).not.toContain(SECRET_KEY);
  });

  test('a wrong secret', () => {
    const wrong = signedRequest({ secretKey: 'another' });
    expect(refusal(wrong).code).toBe('SignatureDoesNotMatch');
  });
});

describe('headers that are not signed', () => {
  test.each(['x-amz-acl', 'x-amz-meta-a', 'x-amz-copy-source', 'x-amz-security-token'])(
    '%s must be',
    (name) => {
      const request = signedRequest({ unsignedHeaders: { [name]: '/a/b' } });
      const code = name === 'x-amz-security-token' ? 'InvalidToken' : 'AccessDenied';
      expect(refusal(request).code).toBe(code);
    },
  );

  test('the refusal names them', () => {
    const request = signedRequest({ unsignedHeaders: { 'x-amz-acl': 'a', 'x-amz-meta-b': 'b' } });
    expect(refusal(request).details).toEqual({ HeadersNotSigned: 'x-amz-acl, x-amz-meta-b' });
  });

  test('the host must be, also in a presigned URL', () => {
    const overrides = { 'X-Amz-SignedHeaders': 'range' };
    const request = presignedRequest({ headers: { range: 'bytes=0-1' } }, overrides);
    expect(refusal(request)).toMatchObject({
      code: 'AccessDenied',
      details: { HeadersNotSigned: 'host' },
    });
  });

  test('x-amz-* headers must be in a presigned request too', () => {
    const request = presignedRequest({ unsignedHeaders: { 'x-amz-acl': 'public-read' } });
    expect(refusal(request).code).toBe('AccessDenied');
  });

  test('other headers need not be', () => {
    const request = signedRequest({
      unsignedHeaders: { 'content-type': 'a/b', range: 'bytes=0-1', 'x-amz-cf-id': 'proxy' },
    });
    expect(authenticate(request)).toMatchObject(signed);
  });

  test('a request without a host is refused', () => {
    expect(refusal(withHeader(signedRequest(), 'host', undefined)).code).toBe(
      'MissingSecurityHeader',
    );
  });
});

describe('time', () => {
  test.each([
    ['exactly 15 minutes behind', 15 * MINUTE_MS],
    ['exactly 15 minutes ahead', -15 * MINUTE_MS],
  ])('a clock %s is accepted', (_, offsetMs) => {
    expect(authenticate(signedRequest(), { nowMs: () => TIME_MS + offsetMs })).toMatchObject(
      signed,
    );
  });

  test.each([
    ['behind', 15 * MINUTE_MS + 1],
    ['ahead', -15 * MINUTE_MS - 1],
  ])('a clock more than 15 minutes %s is refused', (_, offsetMs) => {
    const error = refusal(signedRequest(), { nowMs: () => TIME_MS + offsetMs });
    expect(error).toMatchObject({
      code: 'RequestTimeTooSkewed',
      details: { RequestTime: '20130524T000000Z', MaxAllowedSkewMilliseconds: '900000' },
    });
  });

  test('the allowed skew is a parameter', () => {
    const options = { nowMs: () => TIME_MS + 2 * MINUTE_MS };
    expect(refusal(signedRequest(), { ...options, maxSkewMs: MINUTE_MS }).code).toBe(
      'RequestTimeTooSkewed',
    );
    expect(authenticate(signedRequest(), { ...options, maxSkewMs: 2 * MINUTE_MS })).toMatchObject(
      signed,
    );
  });

  test.each([undefined, 'yesterday', '20130524', '20131324T000000Z', '2013-05-24T00:00:00Z'])(
    'x-amz-date: %s is refused',
    (value) => {
      expect(refusal(withHeader(signedRequest(), 'x-amz-date', value))).toMatchObject({
        code: 'AccessDenied',
        message: 'AWS authentication requires a valid Date or x-amz-date header',
      });
    },
  );

  test('a credential of another day is refused', () => {
    const credential = `${ACCESS_KEY}/20130523/us-east-1/s3/aws4_request`;
    expect(refusal(signedRequest({ credential })).code).toBe('AuthorizationHeaderMalformed');
  });
});

describe('region, keys and algorithms', () => {
  test('another region is refused, and the refusal says which one is expected', () => {
    expect(refusal(signedRequest({ region: 'eu-west-1' }))).toMatchObject({
      code: 'AuthorizationHeaderMalformed',
      message:
        "The authorization header is malformed; the region 'eu-west-1' is wrong; expecting 'us-east-1'",
      details: { Region: 'us-east-1' },
    });
    expect(refusal(presignedRequest({ region: 'eu-west-1' }))).toMatchObject({
      code: 'AuthorizationQueryParametersError',
      details: { Region: 'us-east-1' },
    });
  });

  test('another region is accepted where any is', () => {
    const options = { acceptAnyRegion: true };
    expect(authenticate(signedRequest({ region: 'eu-west-1' }), options)).toMatchObject({
      scope: { region: 'eu-west-1' },
    });
  });

  test('an unknown access key', () => {
    expect(refusal(signedRequest({ accessKey: 'AKIDUNKNOWN' }))).toMatchObject({
      code: 'InvalidAccessKeyId',
      details: { AWSAccessKeyId: 'AKIDUNKNOWN' },
    });
  });

  test('an access key with slashes', () => {
    const options = { findSecret: (id: string) => (id === 'a/b' ? SECRET_KEY : undefined) };
    const request = signedRequest({ accessKey: 'a/b' });
    expect(authenticate(request, options)).toMatchObject({ accessKeyId: 'a/b' });
  });

  test('a removed key and a changed secret count at once, though signing keys are kept', () => {
    let secret: string | undefined = SECRET_KEY;
    const authenticator = createAuthenticator({
      findSecret: () => secret,
      nowMs: () => TIME_MS,
      region: 'us-east-1',
    });
    const request = signedRequest();
    expect(authenticator.authenticate(request)).toMatchObject(signed);
    secret = 'changed';
    expect(() => authenticator.authenticate(request)).toThrow(AuthError);
    const renewed = signedRequest({ secretKey: 'changed' });
    expect(authenticator.authenticate(renewed)).toMatchObject(signed);
    secret = undefined;
    expect(() => authenticator.authenticate(renewed)).toThrow('does not exist in our records');
  });

  test('more signing keys than are kept are no failure', () => {
    const options = { acceptAnyRegion: true, maxCachedKeys: 2 };
    const authenticator = createAuthenticator({
      findSecret: () => SECRET_KEY,
      nowMs: () => TIME_MS,
      region: 'a',
      ...options,
    });
    for (const region of ['a', 'b', 'c', 'a', 'c', 'b', 'a']) {
      expect(authenticator.authenticate(signedRequest({ region }))).toMatchObject(signed);
    }
  });

  test('what is one word is no authorization', () => {
    const error = refusal(withHeader(signedRequest(), 'authorization', 'secret'));
    expect(error.code).toBe('InvalidArgument');
    expect(error.message).toContain("one and only one ' ' (space) required");
  });

  test.each([
    ['AWS4-ECDSA-P256-SHA256 Credential=a, SignedHeaders=host, Signature=b', 'NotImplemented'],
    ['AWS HAHAHA', 'InvalidArgument'],
    ['Bearer token', 'InvalidArgument'],
    ['AWS4-HMAC-SHA256', 'AuthorizationHeaderMalformed'],
    ['AWS4-HMAC-SHA256 Credential=a', 'AuthorizationHeaderMalformed'],
    [
      'AWS4-HMAC-SHA256 Credential=a, SignedHeaders=host, Signature=b, Signature=c',
      'AuthorizationHeaderMalformed',
    ],
    [
      'AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=b',
      'AuthorizationHeaderMalformed',
    ],
    [
      'AWS4-HMAC-SHA256 Credential=/20130524/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=b',
      'AuthorizationHeaderMalformed',
    ],
    [
      'AWS4-HMAC-SHA256 Credential=a/20130524/us-east-1/ec2/aws4_request, SignedHeaders=host, Signature=b',
      'AuthorizationHeaderMalformed',
    ],
    [
      'AWS4-HMAC-SHA256 Credential=a/20130524/us-east-1/s3/aws5_request, SignedHeaders=host, Signature=b',
      'AuthorizationHeaderMalformed',
    ],
    [
      'AWS4-HMAC-SHA256 Credential=a/2013-05-24/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=b',
      'AuthorizationHeaderMalformed',
    ],
  ])('Authorization: %s', (authorization, code) => {
    expect(refusal(withHeader(signedRequest(), 'authorization', authorization)).code).toBe(code);
  });

  test('x-amz-content-sha256 is required in a request signed by header', () => {
    expect(refusal(withHeader(signedRequest(), 'x-amz-content-sha256', undefined))).toMatchObject({
      code: 'InvalidRequest',
      message: 'Missing required header for this request: x-amz-content-sha256',
    });
  });

  test.each([
    ['something', 'InvalidArgument'],
    ['STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD', 'NotImplemented'],
  ])('x-amz-content-sha256: %s is refused', (value, code) => {
    expect(refusal(signedRequest({ payload: value })).code).toBe(code);
  });
});
