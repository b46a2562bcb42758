import { describe, expect, test } from 'vitest';
import type { RawRequest } from '../../src/auth/index.ts';
import { requestHeaders } from '../../src/auth/index.ts';
import { OPERATIONS } from '../../src/operation-table.ts';
import { authenticate, refusal, withHeader } from './authentication-fixtures.ts';
import { ACCESS_KEY, SECRET_KEY, TIME_MS } from './request-signer.ts';
import type { DraftV2 } from './signature-v2-signer.ts';
import { EXPIRES, HTTP_DATE, presignedV2, signedV2, signV2 } from './signature-v2-signer.ts';

const MINUTE_MS = 60_000;
const signed = { kind: 'signed-v2', accessKeyId: ACCESS_KEY };

describe('what is signed is accepted', () => {
  const accepted: [string, DraftV2][] = [
    ['an object', {}],
    ['a bucket sent without the slash that is signed', { target: '/b', resource: '/b/' }],
    ['a bucket sent with a slash that is not signed', { target: '/b/', resource: '/b' }],
    ['a bucket that is signed as it is sent', { target: '/b', resource: '/b' }],
    [
      'a path that looks as if it could be normalised',
      { target: '/b//a/./../', resource: '/b//a/./../' },
    ],
    ['raw bytes in the path', { target: '/b/\xc3\xa4', resource: '/b/\xc3\xa4' }],
    [
      'sub-resources sorted, values decoded, other parameters left out',
      {
        target: '/b/k?uploadId=a%2Bb%C3%A4&x-id=UploadPart&partNumber=7',
        resource: '/b/k?partNumber=7&uploadId=a+b\xc3\xa4',
      },
    ],
    ['an empty value like none', { target: '/b?uploads=', resource: '/b/?uploads' }],
    [
      'overrides of the answer',
      {
        target: '/b/k?response-content-disposition=attachment%3B%20filename%3D%22a%20%26%20b%22',
        resource: '/b/k?response-content-disposition=attachment; filename="a & b"',
      },
    ],
    [
      'headers sorted and trimmed',
      {
        headers: { 'x-amz-meta-b': ' 2 ', 'x-amz-acl': 'private', 'x-amz-meta-a': '\xc3\xa4' },
        amzLines: 'x-amz-acl:private\nx-amz-meta-a:\xc3\xa4\nx-amz-meta-b:2\n',
      },
    ],
    [
      'type and digest of the body',
      {
        method: 'PUT',
        headers: { 'content-type': 'a/b', 'content-md5': '4gJE4saaMU4BqNR0kLY+lw==' },
        type: 'a/b',
        md5: '4gJE4saaMU4BqNR0kLY+lw==',
      },
    ],
    ['a header that a proxy adds', { headers: { 'x-amz-cf-id': 'proxy' } }],
  ];

  test.each(accepted)('in the header: %s', (_, draft) => {
    expect(authenticate(signedV2(draft))).toMatchObject({ ...signed, via: 'header' });
  });

  test.each(accepted)('in the query: %s', (_, draft) => {
    expect(authenticate(presignedV2(draft))).toMatchObject({ ...signed, via: 'query' });
  });

  test.each(['20130524T000000Z', HTTP_DATE, 'Fri, 24 May 2013 00:00:00 +0000'])(
    'x-amz-date: %s in place of another Date',
    (amzDate) => {
      const headers = { date: 'Thu, 01 Jan 1970 00:00:00 GMT', 'x-amz-date': amzDate };
      const draft = { headers, amzLines: `x-amz-date:${amzDate}\n`, dateLine: '' };
      expect(authenticate(signedV2(draft))).toMatchObject(signed);
    },
  );

  test('an access key with a slash and a colon', () => {
    const options = { findSecret: (id: string) => (id === 'a/b:c' ? SECRET_KEY : undefined) };
    expect(authenticate(signedV2({ accessKey: 'a/b:c' }), options)).toMatchObject({
      accessKeyId: 'a/b:c',
    });
  });
});

describe('the body', () => {
  const withPayload = (value: string): RawRequest => {
    const headers = { 'x-amz-content-sha256': value };
    return signedV2({ headers, amzLines: `x-amz-content-sha256:${value}\n` });
  };

  test('is checked as x-amz-content-sha256 says, which is signed', () => {
    const digest = 'a'.repeat(64);
    expect(authenticate(signedV2()).payload).toBe('unsigned');
    expect(authenticate(withPayload(digest)).payload).toEqual({ sha256: digest });
    expect(authenticate(withPayload('STREAMING-UNSIGNED-PAYLOAD-TRAILER')).payload).toBe(
      'streaming-unsigned-trailer',
    );
  });

  test('cannot have signed chunks: there is no key for them', () => {
    expect(refusal(withPayload('STREAMING-AWS4-HMAC-SHA256-PAYLOAD')).code).toBe('InvalidRequest');
  });
});

describe('what was changed on the way does not match its signature', () => {
  const target = '/b/k?versionId=1';
  const headers = { 'x-amz-meta-a': '1', 'content-type': 'a/b' };
  const draft = {
    target,
    resource: target,
    headers,
    amzLines: 'x-amz-meta-a:1\n',
    type: 'a/b',
  };
  const request = signedV2(draft);
  const presigned = presignedV2(draft);
  const change = (from: string, to: string): RawRequest => ({
    ...presigned,
    rawUrl: presigned.rawUrl.replace(from, to),
  });
  const changed: [string, RawRequest][] = [
    ['the method', { ...request, method: 'DELETE' }],
    ['the key', { ...request, rawUrl: '/b/K?versionId=1' }],
    ['a slash', { ...request, rawUrl: '/b/k/?versionId=1' }],
    ['a sub-resource', { ...request, rawUrl: '/b/k?versionId=2' }],
    ['a sub-resource less', { ...request, rawUrl: '/b/k' }],
    ['a sub-resource more', { ...request, rawUrl: '/b/k?versionId=1&partNumber=1' }],
    ['a sub-resource given twice', { ...request, rawUrl: '/b/k?versionId=2&versionId=1' }],
    ['an escaped name of a sub-resource', { ...request, rawUrl: `${target}&%61cl` }],
    ['a header', withHeader(request, 'x-amz-meta-a', '2')],
    ['a header less', withHeader(request, 'x-amz-meta-a', undefined)],
    ['a header more', withHeader(request, 'x-amz-acl', 'public-read')],
    ['the type', withHeader(request, 'content-type', 'a/c')],
    ['the digest', withHeader(request, 'content-md5', '4gJE4saaMU4BqNR0kLY+lw==')],
    ['the time', withHeader(request, 'date', 'Fri, 24 May 2013 00:00:01 GMT')],
    ['the presigned key', change('/b/k', '/b/l')],
    ['the expiry', change(`Expires=${EXPIRES}`, `Expires=${EXPIRES + 1}`)],
    ['a header that the URL carries', change('&Expires', '&x-amz-acl=public-read&Expires')],
    [
      'the type that the URL carries',
      change('&Expires', '&content-md5=1B2M2Y8AsgTpgAmY7PhCfg%3D%3D&Expires'),
    ],
  ];

  test.each(changed)('%s', (_, tampered) => {
    expect(authenticate(request)).toMatchObject(signed);
    expect(authenticate(presigned)).toMatchObject(signed);
    expect(refusal(tampered).code).toBe('SignatureDoesNotMatch');
  });

  test('each character of the signature counts, and so does its length', () => {
    const authorization = request.headers.get('authorization') as string;
    const signature = authorization.slice(-28);
    const start = authorization.slice(0, -28);
    const wrong = Array.from({ length: 28 }, (_, at) => {
      const other = signature[at] === 'A' ? 'B' : 'A';
      return signature.slice(0, at) + other + signature.slice(at + 1);
    });
    for (const text of [...wrong, signature.slice(0, -1), `${signature}=`, 'x']) {
      const tampered = withHeader(request, 'authorization', start + text);
      expect(refusal(tampered).code, text).toBe('SignatureDoesNotMatch');
    }
  });

  test('the refusal says what was signed and never the secret or the expected signature', () => {
    const tampered = { ...request, method: 'PUT' };
    const error = refusal(tampered);
    expect(error.details).toEqual({
      AWSAccessKeyId: ACCESS_KEY,
      StringToSign: `PUT\n\na/b\n${HTTP_DATE}\nx-amz-meta-a:1\n/b/k?versionId=1`,
      StringToSignBytes: expect.stringMatching(/^50 55 54 0a /) as string,
      SignatureProvided: (request.headers.get('authorization') as string).slice(-28),
    });
    const expected = signV2({ ...draft, method: 'PUT' }, HTTP_DATE);
    const shown = JSON.stringify([error.message, error.details]);
    expect(shown).not.toContain(SECRET_KEY);
    expect(shown).not.toContain(expected);
  });

  test('a wrong secret, and an unknown key', () => {
    expect(refusal(signedV2({ secretKey: 'another' })).code).toBe('SignatureDoesNotMatch');
    expect(refusal(signedV2({ accessKey: 'AKIDUNKNOWN' }))).toMatchObject({
      code: 'InvalidAccessKeyId',
      details: { AWSAccessKeyId: 'AKIDUNKNOWN' },
    });
  });

  test('an ampersand in a value cannot hide a sub-resource', () => {
    const hidden = '/b/k?response-content-type=a%26versionId=1';
    const two = '/b/k?response-content-type=a&versionId=1';
    expect(authenticate(presignedV2({ target: two, resource: two }))).toMatchObject(signed);
    const tampered = presignedV2({ target: hidden, resource: two });
    expect(refusal(tampered).code).toBe('InvalidRequest');
  });

  test('a line break in a value cannot make one header of two', () => {
    const amzLines = 'x-amz-acl:private\nx-amz-meta-a:1\n';
    const carried = presignedV2({ amzLines }, '&x-amz-acl=private&x-amz-meta-a=1');
    expect(authenticate(carried)).toMatchObject(signed);
    const joined = presignedV2({ amzLines }, '&x-amz-acl=private%0Ax-amz-meta-a:1');
    expect(refusal(joined).code).toBe('InvalidArgument');
    const amzLine = 'x-amz-meta-%0a:1\n';
    expect(refusal(presignedV2({ amzLines: amzLine }, '&x-amz-meta-%0A=1')).code).toBe(
      'InvalidArgument',
    );
  });

  test('every parameter that selects an operation is signed', () => {
    const names = new Set(
      [...OPERATIONS.bucket, ...OPERATIONS.object]
        .filter(([, { run }]) => run !== undefined)
        .map(([operation]) => operation.replace(/^\w+ /, '')),
    );
    // It needs a header that is signed, and reads less than GetObject.
    names.delete('attributes');
    names.delete('');
    expect(names).toContain('uploadId');
    for (const name of names) {
      const request = signedV2();
      const tampered = { ...request, rawUrl: `/b/k?${name}=1` };
      expect(refusal(tampered).code, name).toBe('SignatureDoesNotMatch');
    }
  });
});

describe('a presigned request', () => {
  test('lives until the second that it names', () => {
    const request = presignedV2();
    const at = (nowMs: number) => ({ nowMs: () => nowMs });
    expect(authenticate(request, at(EXPIRES * 1000))).toMatchObject(signed);
    expect(authenticate(request, at(0))).toMatchObject(signed);
    expect(refusal(request, at(EXPIRES * 1000 + 1))).toMatchObject({
      code: 'AccessDenied',
      message: 'Request has expired',
      details: { Expires: '2013-05-24T01:00:00Z', ServerTime: '2013-05-24T01:00:00Z' },
    });
  });

  test('carries headers as parameters; one that is sent has precedence', () => {
    const draft = {
      method: 'PUT',
      amzLines: 'x-amz-acl:private\nx-amz-checksum-crc32:AAAAAA==\nx-amz-meta-a:b \xc3\xa4\n',
      type: 'text/plain',
      md5: '1B2M2Y8AsgTpgAmY7PhCfg==',
      headers: { 'x-amz-acl': 'private' },
    };
    const carried =
      '&x-amz-meta-a=b%20%C3%A4&x-amz-acl=public-read&x-amz-checksum-crc32=AAAAAA%3D%3D' +
      '&content-type=text%2Fplain&content-md5=1B2M2Y8AsgTpgAmY7PhCfg%3D%3D';
    const { headers } = authenticate(presignedV2(draft, carried));
    expect(Object.fromEntries(headers)).toEqual({
      host: 'localhost:9000',
      'x-amz-acl': 'private',
      'x-amz-meta-a': 'b \xc3\xa4',
      'x-amz-checksum-crc32': 'AAAAAA==',
      'content-type': 'text/plain',
      'content-md5': '1B2M2Y8AsgTpgAmY7PhCfg==',
    });
  });

  test.each(['AWSAccessKeyId', 'Signature', 'Expires'])('needs %s, once', (name) => {
    const request = presignedV2();
    const without = request.rawUrl.replace(new RegExp(`${name}=[^&]*&?`), '');
    const code = 'AccessDenied';
    const message =
      'Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters';
    expect(refusal({ ...request, rawUrl: without })).toMatchObject({ code, message });
    const twice = `${request.rawUrl}&${name}=1`;
    expect(refusal({ ...request, rawUrl: twice })).toMatchObject({ code, message });
  });

  test.each(['soon', '-1', '1e9', '9'.repeat(13)])('cannot expire at %s', (expires) => {
    const request = presignedV2();
    const rawUrl = request.rawUrl.replace(`Expires=${EXPIRES}`, `Expires=${expires}`);
    expect(refusal({ ...request, rawUrl })).toMatchObject({
      code: 'AccessDenied',
      message: `Invalid date (should be seconds since epoch): ${expires}`,
    });
  });

  test('cannot be signed in another way as well', () => {
    const request = presignedV2();
    const both = withHeader(request, 'authorization', `AWS ${ACCESS_KEY}:x`);
    expect(refusal(both).code).toBe('InvalidArgument');
    const version4 = { ...request, rawUrl: `${request.rawUrl}&X-Amz-Signature=a` };
    expect(refusal(version4).code).toBe('InvalidArgument');
  });

  test('with a session token is refused: there are no temporary credentials', () => {
    const amzLines = 'x-amz-security-token:t\n';
    expect(refusal(presignedV2({ amzLines }, '&x-amz-security-token=t')).code).toBe('InvalidToken');
  });
});

describe('a request signed in the header', () => {
  test('is of now, give or take 15 minutes', () => {
    const at = (offsetMs: number) => ({ nowMs: () => TIME_MS + offsetMs });
    for (const sign of [1, -1]) {
      expect(authenticate(signedV2(), at(sign * 15 * MINUTE_MS))).toMatchObject(signed);
      expect(refusal(signedV2(), at(sign * (15 * MINUTE_MS + 1)))).toMatchObject({
        code: 'RequestTimeTooSkewed',
        details: { RequestTime: HTTP_DATE, MaxAllowedSkewMilliseconds: '900000' },
      });
    }
  });

  test.each([undefined, 'yesterday', '1369353600'])('with Date: %s is refused', (date) => {
    expect(refusal(withHeader(signedV2(), 'date', date)).message).toBe(
      'AWS authentication requires a valid Date or x-amz-date header',
    );
  });

  test.each(['AWS :x', 'AWS a:', 'AWS HAHAHA'])('Authorization: %s', (authorization) => {
    expect(refusal(withHeader(signedV2(), 'authorization', authorization)).code).toBe(
      'InvalidArgument',
    );
  });
});

describe('where it is switched off', () => {
  test('a right signature is refused, and the refusal says what to use', () => {
    for (const request of [signedV2(), presignedV2()]) {
      expect(refusal(request, { allowSignatureV2: false })).toMatchObject({
        code: 'InvalidRequest',
        message: expect.stringContaining('Please use AWS4-HMAC-SHA256.') as string,
      });
    }
  });

  test('a request without a signature is anonymous as before', () => {
    const request = { method: 'GET', rawUrl: '/b/k', headers: requestHeaders([]) };
    expect(authenticate(request, { allowSignatureV2: false }).kind).toBe('anonymous');
  });
});
