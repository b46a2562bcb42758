import { expect, test } from 'vitest';
import { requestHeaders, signRequest } from '../../src/auth/index.ts';
import { authenticate, refusal } from './authentication-fixtures.ts';
import { ACCESS_KEY, SECRET_KEY, TIME_MS } from './request-signer.ts';

const keys = { accessKeyId: ACCESS_KEY, secretAccessKey: SECRET_KEY, region: 'us-east-1' };
const put = { method: 'PUT', target: '/b/a%20key?x-id=PutObject', host: 'localhost:9000' };

test('a request that we sign is accepted, and its body is bound to it', () => {
  const body = new TextEncoder().encode('100');
  const headers = requestHeaders(
    Object.entries(signRequest({ ...put, body }, keys, TIME_MS)).flat(),
  );
  const request = { method: put.method, rawUrl: put.target, headers };
  expect(authenticate(request)).toMatchObject({
    kind: 'signed',
    accessKeyId: ACCESS_KEY,
    payload: { sha256: 'ad57366865126e55649ecb23ae1d48887544976efea46a48eb5d85a6eeb4d306' },
  });
  expect(refusal({ ...request, rawUrl: '/b/other' }).code).toBe('SignatureDoesNotMatch');
});

test('the secret is in no header', () => {
  expect(JSON.stringify(signRequest(put, keys, TIME_MS))).not.toContain(SECRET_KEY);
});
