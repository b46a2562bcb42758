import { describe, expect, test } from 'vitest';
import { requestHeaders } from '../../src/auth/index.ts';
import { authenticate, refusal, withHeader } from './authentication-fixtures.ts';
import { ACCESS_KEY, presignedRequest, SHA256_OF_NOTHING, TIME_MS } from './request-signer.ts';

const MINUTE_MS = 60_000;
const signed = { kind: 'signed', accessKeyId: ACCESS_KEY };

describe('a presigned request', () => {
  test('lives from its date for as long as it says', () => {
    const request = presignedRequest({ expires: '3600' });
    const at = (offsetMs: number) => ({ nowMs: () => TIME_MS + offsetMs });
    expect(authenticate(request, at(3_600_000))).toMatchObject(signed);
    expect(authenticate(request, at(-15 * MINUTE_MS))).toMatchObject(signed);
    expect(refusal(request, at(3_600_001))).toMatchObject({
      code: 'AccessDenied',
      message: 'Request has expired',
      details: {
        'X-Amz-Expires': '3600',
        Expires: '2013-05-24T01:00:00Z',
        ServerTime: '2013-05-24T01:00:00Z',
      },
    });
    expect(refusal(request, at(-15 * MINUTE_MS - 1))).toMatchObject({
      code: 'AccessDenied',
      message: 'Request is not yet valid',
    });
  });

  test.each([
    'X-Amz-Algorithm',
    'X-Amz-Credential',
    'X-Amz-Date',
    'X-Amz-Expires',
    'X-Amz-SignedHeaders',
  ])('needs %s', (name) => {
    expect(refusal(presignedRequest({}, { [name]: undefined }))).toMatchObject({
      code: 'AuthorizationQueryParametersError',
      message: expect.stringContaining('requires the X-Amz-Algorithm, X-Amz-Credential') as string,
    });
  });

  test.each([
    ['X-Amz-Expires', 'soon'],
    ['X-Amz-Algorithm', 'AWS4-HMAC-SHA1'],
    ['X-Amz-Date', 'today'],
    ['X-Amz-Date', '20130525T000000Z'],
    ['X-Amz-Credential', 'a%2Fb'],
  ])('with %s=%s is refused', (name, value) => {
    expect(refusal(presignedRequest({}, { [name]: value })).code).toBe(
      'AuthorizationQueryParametersError',
    );
  });

  test.each([
    ['0', 'AccessDenied'],
    ['-1', 'AuthorizationQueryParametersError'],
    ['604801', 'AuthorizationQueryParametersError'],
  ])('that lives for %s seconds is refused', (expires, code) => {
    expect(refusal(presignedRequest({ expires })).code).toBe(code);
  });

  test('may live for a week', () => {
    expect(authenticate(presignedRequest({ expires: '604800' }))).toMatchObject(signed);
  });

  test('cannot have a parameter of its signature twice', () => {
    const request = presignedRequest();
    const twice = { ...request, rawUrl: `${request.rawUrl}&X-Amz-Expires=604800` };
    expect(refusal(twice).code).toBe('AuthorizationQueryParametersError');
  });

  test('cannot be changed', () => {
    const request = presignedRequest({ path: '/b/k' });
    expect(refusal({ ...request, method: 'PUT' }).code).toBe('SignatureDoesNotMatch');
    const longer = request.rawUrl.replace('X-Amz-Expires=3600', 'X-Amz-Expires=3601');
    expect(refusal({ ...request, rawUrl: longer }).code).toBe('SignatureDoesNotMatch');
    expect(refusal({ ...request, rawUrl: `${request.rawUrl}&acl=` }).code).toBe(
      'SignatureDoesNotMatch',
    );
  });

  test('may fix the digest of its body', () => {
    const payload = SHA256_OF_NOTHING;
    const request = presignedRequest({ payload }, { 'X-Amz-Content-Sha256': payload });
    expect(authenticate(request).payload).toEqual({ sha256: payload });
  });

  test('carries x-amz-* headers as parameters, but not the checksum of the empty body', () => {
    const request = presignedRequest(
      { headers: { 'x-amz-acl': 'private' } },
      {
        'x-amz-acl': 'public-read',
        'x-amz-checksum-algorithm': 'CRC32',
        'x-amz-checksum-crc32': 'AAAAAA%3D%3D',
        'x-amz-meta-a': 'b%20c',
        'x-amz-sdk-checksum-algorithm': 'CRC32',
      },
    );
    const { headers } = authenticate(request);
    expect(headers.get('x-amz-meta-a')).toBe('b c');
    expect(headers.get('x-amz-acl')).toBe('private');
    expect(headers.get('x-amz-checksum-algorithm')).toBe('CRC32');
    const added = [...headers.keys()].filter((name) => !request.headers.has(name));
    expect(added).toEqual(['x-amz-checksum-algorithm', 'x-amz-meta-a']);
  });

  test('cannot have an Authorization header as well', () => {
    const request = withHeader(presignedRequest(), 'authorization', 'AWS4-HMAC-SHA256 x');
    expect(refusal(request).code).toBe('InvalidArgument');
  });

  test('with a session token is refused: there are no temporary credentials', () => {
    expect(refusal(presignedRequest({}, { 'X-Amz-Security-Token': 'token' })).code).toBe(
      'InvalidToken',
    );
  });

  test.each([
    '/b/k?X-Amz-Algorithm=AWS4-ECDSA-P256-SHA256&X-Amz-Credential=a&X-Amz-Date=b&X-Amz-Expires=1&X-Amz-SignedHeaders=host&X-Amz-Signature=c',
  ])('of an algorithm that is not implemented: %s', (rawUrl) => {
    const headers = requestHeaders(['Host', 'localhost']);
    expect(refusal({ method: 'GET', rawUrl, headers }).code).toBe('NotImplemented');
  });
});
