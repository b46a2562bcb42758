import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type RawAnswer, type RawRequest, send } from './raw-client.ts';
import { startTestServer, type TestServer } from './test-server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
  await send(server, { method: 'PUT', path: '/bucket' });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

/** Sends a request that must be refused, and checks that nothing is stored at `/bucket/key`. */
async function refused(request: RawRequest): Promise<RawAnswer> {
  const answer = await send(server, request);
  const after = await send(server, { method: 'GET', path: '/bucket/key' });
  expect([after.status, after.code]).toEqual([404, 'NoSuchKey']);
  expect(answer.headers['x-amz-request-id']).toMatch(/^[0-9A-F]{16}$/);
  expect(answer.element('RequestId')).toBe(answer.headers['x-amz-request-id']);
  expect(answer.element('HostId')).toBe(answer.headers['x-amz-id-2']);
  expect(answer.headers['content-type']).toBe('application/xml');
  return answer;
}

const PUT: RawRequest = { method: 'PUT', path: '/bucket/key', body: 'body' };

test('a wrong signature is SignatureDoesNotMatch with what was signed', async () => {
  const answer = await refused({ ...PUT, secretKey: 'wrong' });
  expect([answer.status, answer.code, answer.message]).toEqual([
    403,
    'SignatureDoesNotMatch',
    'The request signature we calculated does not match the signature you provided. Check your key and signing method.',
  ]);
  expect(answer.element('StringToSign')).toContain('AWS4-HMAC-SHA256');
  expect(answer.element('CanonicalRequest')).toContain('/bucket/key');
  expect(answer.body).not.toContain('wJalrXUtnFEMI');
});

test('an unknown access key is InvalidAccessKeyId', async () => {
  const answer = await refused({ ...PUT, accessKey: 'NOBODY' });
  expect([answer.status, answer.code, answer.message]).toEqual([
    403,
    'InvalidAccessKeyId',
    'The AWS Access Key Id you provided does not exist in our records.',
  ]);
});

test('a clock that is sixteen minutes off is RequestTimeTooSkewed', async () => {
  for (const skewMs of [-16 * 60_000, 16 * 60_000]) {
    const answer = await refused({ ...PUT, skewMs });
    expect([answer.status, answer.code, answer.message]).toEqual([
      403,
      'RequestTimeTooSkewed',
      'The difference between the request time and the current time is too large.',
    ]);
  }
});

test('a request without a signature is AccessDenied', async () => {
  const answer = await refused({ ...PUT, anonymous: true });
  expect([answer.status, answer.code, answer.message]).toEqual([
    403,
    'AccessDenied',
    'Access Denied',
  ]);
});

test('an unknown bucket is NoSuchBucket for every operation on it', async () => {
  const requests: RawRequest[] = [
    { method: 'PUT', path: '/absent/key', body: 'x' },
    { method: 'GET', path: '/absent/key' },
    { method: 'DELETE', path: '/absent/key' },
    { method: 'GET', path: '/absent' },
    { method: 'GET', path: '/absent?list-type=2' },
    { method: 'GET', path: '/absent?location' },
    { method: 'GET', path: '/absent?versioning' },
    { method: 'GET', path: '/absent?uploads' },
    { method: 'DELETE', path: '/absent' },
    { method: 'POST', path: '/absent/key?uploads' },
    { method: 'PUT', path: '/absent/key', headers: { 'x-amz-copy-source': '/bucket/key' } },
  ];
  for (const request of requests) {
    const answer = await send(server, request);
    expect([request, answer.status, answer.code, answer.message]).toEqual([
      request,
      404,
      'NoSuchBucket',
      'The specified bucket does not exist',
    ]);
    expect(answer.element('BucketName')).toBe('absent');
  }
});

test('a body that is not the one that was signed is XAmzContentSHA256Mismatch', async () => {
  const answer = await refused({ ...PUT, body: 'forged', signedBody: 'signed' });
  expect([answer.status, answer.code, answer.message]).toEqual([
    400,
    'XAmzContentSHA256Mismatch',
    "The provided 'x-amz-content-sha256' header does not match what was computed.",
  ]);
});

test('a Content-MD5 that does not match is BadDigest, one that is none InvalidDigest', async () => {
  const other = createHash('md5').update('other').digest();
  const headers = { 'content-md5': other.toString('base64') };
  const wrong = await refused({ ...PUT, headers });
  expect([wrong.status, wrong.code, wrong.message]).toEqual([
    400,
    'BadDigest',
    'The Content-MD5 you specified did not match what we received.',
  ]);
  expect(wrong.element('ExpectedDigest')).toBe(other.toString('hex'));
  const invalid = await refused({ ...PUT, headers: { 'content-md5': 'nonsense' } });
  expect([invalid.status, invalid.code, invalid.message]).toEqual([
    400,
    'InvalidDigest',
    'The Content-MD5 you specified was invalid.',
  ]);
});

test('a checksum that does not match is BadDigest', async () => {
  const answer = await refused({ ...PUT, headers: { 'x-amz-checksum-crc32': 'AAAAAA==' } });
  expect([answer.status, answer.code]).toEqual([400, 'BadDigest']);
  expect(answer.message).toBe('The CRC32 you specified did not match the calculated checksum.');
});

test('a key of 1024 bytes is stored, one of 1025 is KeyTooLongError', async () => {
  const long = 'é'.repeat(512);
  const stored = await send(server, { ...PUT, path: `/bucket/${encodeURIComponent(long)}` });
  expect(stored.status).toBe(200);
  const answer = await refused({ ...PUT, path: `/bucket/${encodeURIComponent(`${long}x`)}` });
  expect([answer.status, answer.code, answer.message]).toEqual([
    400,
    'KeyTooLongError',
    'Your key is too long',
  ]);
  expect([answer.element('Size'), answer.element('MaxSizeAllowed')]).toEqual(['1025', '1024']);
});

test('a missing key is NoSuchKey with the key, and HEAD errors have no body', async () => {
  const get = await send(server, { method: 'GET', path: '/bucket/not%20there' });
  expect([get.status, get.code, get.message, get.element('Key')]).toEqual([
    404,
    'NoSuchKey',
    'The specified key does not exist.',
    'not there',
  ]);
  const head = await send(server, { method: 'HEAD', path: '/bucket/not%20there' });
  expect([head.status, head.body]).toEqual([404, '']);
  expect(head.headers['x-amz-request-id']).toMatch(/^[0-9A-F]{16}$/);
});

test('escapes that are not UTF-8 are InvalidURI', async () => {
  for (const path of ['/bucket/%ff', '/bucket/%zz', '/bucket/%', '/bucket/%c3%28']) {
    const answer = await send(server, { method: 'GET', path, anonymous: true });
    expect([path, answer.status, answer.code, answer.message]).toEqual([
      path,
      400,
      'InvalidURI',
      "Couldn't parse the specified URI.",
    ]);
  }
});

test('known operations that do not exist yet are NotImplemented by their names', async () => {
  const cases: [string, string, string][] = [
    ['POST', '/bucket/key?restore', 'RestoreObject'],
    ['POST', '/bucket/key?select&select-type=2', 'SelectObjectContent'],
    ['PUT', '/bucket?logging', 'PutBucketLogging'],
  ];
  for (const [method, path, name] of cases) {
    const answer = await refused({ method, path });
    expect([path, answer.status, answer.code, answer.message]).toEqual([
      path,
      501,
      'NotImplemented',
      `${name} is not implemented`,
    ]);
  }
  expect((await send(server, { method: 'HEAD', path: '/bucket' })).status).toBe(200);
});

test('a key that is asked for a list of its bucket says that it has none', async () => {
  for (const list of ['uploads', 'versions']) {
    const { status, code, body } = await send(server, {
      method: 'GET',
      path: `/bucket/key?${list}`,
    });
    expect([status, code, body]).toEqual([
      400,
      'InvalidRequest',
      expect.stringContaining(`?${list}`),
    ]);
  }
});

test('a method that a resource does not have is MethodNotAllowed', async () => {
  const cases: [string, string][] = [
    ['POST', '/'],
    ['PUT', '/'],
    ['PATCH', '/bucket/key'],
    ['POST', '/bucket/key'],
    ['DELETE', '/bucket?delete'],
    ['PUT', '/bucket?location'],
    ['PROPFIND', '/bucket'],
    ['HEAD', '/bucket?acl'],
  ];
  for (const [method, path] of cases) {
    const answer = await send(server, { method, path });
    expect([method, path, answer.status]).toEqual([method, path, 405]);
    if (path === '/bucket/key' && method === 'POST') {
      expect(answer.headers.allow).toBe('GET, HEAD, DELETE, OPTIONS, PUT');
    }
    if (method !== 'HEAD') {
      expect(answer.code).toBe('MethodNotAllowed');
      expect(answer.message).toBe('The specified method is not allowed against this resource.');
    }
  }
});

test('two subresources at once, parts without an upload and foreign versions are refused', async () => {
  for (const [method, path] of [
    ['PUT', '/bucket/key?acl&tagging'],
    ['PUT', '/bucket/key?partNumber=1'],
    ['PUT', '/bucket/key?versionId=abc'],
    ['GET', '/bucket/key?versionId=abc'],
    ['DELETE', '/bucket/key?versionId=abc'],
    ['PUT', '/bucket/key?uploadId=abc'],
  ] as const) {
    const answer = await refused({ method, path, body: 'x' });
    expect([path, answer.status, answer.code]).toEqual([path, 400, 'InvalidArgument']);
  }
});

test('headers whose promise cannot be kept are refused', async () => {
  const cases: [Record<string, string>, number, string][] = [
    [{ 'x-amz-server-side-encryption': 'aws:kms:dsse' }, 501, 'NotImplemented'],
    [{ 'x-amz-server-side-encryption-context': 'e30=' }, 501, 'NotImplemented'],
    [{ 'x-amz-server-side-encryption-customer-algorithm': 'AES256' }, 400, 'InvalidArgument'],
    [{ 'x-amz-tagging': 'a=b&a=c' }, 400, 'InvalidArgument'],
    [{ 'x-amz-tagging': 'a=b,c=d' }, 400, 'InvalidArgument'],
    [{ 'x-amz-tagging': '=' }, 400, 'InvalidArgument'],
    [{ 'x-amz-tagging': 'a&b&c&d&e&f&g&h&i&j&k' }, 400, 'BadRequest'],
    [{ 'x-amz-tagging': 'a=b%21' }, 400, 'InvalidTag'],
    [{ 'x-amz-tagging': 'a=%zz' }, 400, 'InvalidArgument'],
    [{ 'x-amz-tagging': '%E4=b' }, 400, 'InvalidArgument'],
    [{ 'x-amz-tagging': 'aws%3Aname=b' }, 400, 'InvalidTag'],
    [{ 'x-amz-tagging': 'AWS:name=b' }, 400, 'InvalidTag'],
    [{ 'x-amz-website-redirect-location': 'page.html' }, 400, 'InvalidRedirectLocation'],
    [{ 'x-amz-website-redirect-location': 'javascript:1' }, 400, 'InvalidRedirectLocation'],
    [{ 'x-amz-website-redirect-location': '' }, 400, 'InvalidRedirectLocation'],
    [{ 'x-amz-write-offset-bytes': '3' }, 501, 'NotImplemented'],
    [{ 'x-amz-expected-bucket-owner': '111122223333' }, 403, 'AccessDenied'],
    [{ 'x-amz-acl': 'public-read' }, 400, 'AccessControlListNotSupported'],
    [{ 'x-amz-grant-read': 'id=1' }, 400, 'AccessControlListNotSupported'],
    [{ 'x-amz-object-lock-mode': 'GOVERNANCE' }, 400, 'InvalidArgument'],
    [{ 'x-amz-object-lock-legal-hold': 'ON' }, 400, 'InvalidRequest'],
    [{ 'x-amz-storage-class': 'FLOPPY' }, 400, 'InvalidStorageClass'],
    [{ 'x-amz-meta-a': 'x'.repeat(2048) }, 400, 'MetadataTooLarge'],
  ];
  for (const [headers, status, code] of cases) {
    const answer = await refused({ ...PUT, headers });
    expect([headers, answer.status, answer.code]).toEqual([headers, status, code]);
  }
});

test('a body in another transfer coding than chunks is refused, and not stored as it is sent', async () => {
  const path = '/bucket/compressed';
  for (const coding of ['gzip, chunked', 'deflate,chunked']) {
    const put = await send(server, {
      method: 'PUT',
      path,
      headers: { 'transfer-encoding': coding },
    });
    expect([coding, put.status, put.element('Header')]).toEqual([coding, 501, 'transfer-encoding']);
  }
  expect((await send(server, { method: 'HEAD', path })).status).toBe(404);
});

test('a body in chunks needs no declared length', async () => {
  const path = '/bucket/chunked';
  const put = await send(server, {
    method: 'PUT',
    path,
    headers: { 'transfer-encoding': 'chunked' },
  });
  expect(put.status).toBe(200);
  expect((await send(server, { method: 'DELETE', path })).status).toBe(204);
});
