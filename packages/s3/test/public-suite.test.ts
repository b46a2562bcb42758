/** What the public suite taught that no other test here asks for: one fact each. */
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type RawAnswer, type RawRequest, send } from './raw-client.ts';
import { startTestServer, type TestServer } from './test-server.ts';

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer({ bucketAcls: true });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

const OWNERSHIP =
  '<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule></OwnershipControls>';

const ask = (method: string, path: string, more: Partial<RawRequest> = {}): Promise<RawAnswer> =>
  send(server, { method, path, ...more });

test('a part is copied from a key that must be percent-encoded', async () => {
  await ask('PUT', '/encoded');
  await ask('PUT', '/encoded/a%20%2B%25%3F%C3%BC', { body: 'text' });
  const { element } = await ask('POST', '/encoded/parts?uploads');
  const part = await ask('PUT', `/encoded/parts?partNumber=1&uploadId=${element('UploadId')}`, {
    headers: {
      'x-amz-copy-source': '/encoded/a%20%2B%25%3F%C3%BC',
      'x-amz-copy-source-range': 'bytes=1-2',
    },
  });
  const md5 = createHash('md5').update('ex').digest('hex');
  expect([part.status, part.element('ETag')]).toEqual([200, `&quot;${md5}&quot;`]);
});

test('a list of deletes comes with Content-MD5 or with a checksum, and one of them is asked for', async () => {
  await ask('PUT', '/many');
  const body = '<Delete><Object><Key>k</Key></Object></Delete>';
  const md5 = createHash('md5').update(body).digest('base64');
  const sha256 = createHash('sha256').update(body).digest('base64');
  const statuses: number[] = [];
  for (const headers of [{ 'content-md5': md5 }, { 'x-amz-checksum-sha256': sha256 }, {}]) {
    statuses.push((await ask('POST', '/many?delete', { headers, body })).status);
  }
  expect(statuses).toEqual([200, 200, 400]);
});

test('a bucket is deleted though uploads are open in it', async () => {
  await ask('PUT', '/open-uploads');
  const { element } = await ask('POST', '/open-uploads/key?uploads');
  const upload = `/open-uploads/key?partNumber=1&uploadId=${element('UploadId')}`;
  expect((await ask('PUT', upload, { body: 'part' })).status).toBe(200);
  expect((await ask('DELETE', '/open-uploads')).status).toBe(204);
  expect((await ask('PUT', upload, { body: 'part' })).code).toBe('NoSuchBucket');
});

test('a form whose every field says that it is a file is read as a form', async () => {
  await ask('PUT', '/forms', { headers: { 'x-amz-acl': 'public-read-write' } });
  const field = (name: string, value: string): string =>
    `--B\r\nContent-Disposition: form-data; name="${name}"; filename="${name}"\r\n\r\n${value}\r\n`;
  const answer = await ask('POST', '/forms', {
    anonymous: true,
    headers: { 'content-type': 'multipart/form-data; boundary=B' },
    body: `${field('key', 'from-form')}${field('acl', 'public-read')}${field('x-amz-meta-color', 'blue')}${field('file', 'text')}--B--\r\n`,
  });
  expect([answer.status, answer.body]).toEqual([204, '']);
  const { body, headers } = await ask('GET', '/forms/from-form');
  expect([body, headers['x-amz-meta-color']]).toEqual(['text', 'blue']);
});

test('an object of no bytes is an object', async () => {
  await ask('PUT', '/empty');
  for (const headers of [{}, { 'x-amz-server-side-encryption': 'AES256' }]) {
    expect((await ask('PUT', '/empty/key', { body: '', headers })).status).toBe(200);
    const { status, body, headers: answered } = await ask('GET', '/empty/key');
    expect([status, body, answered['content-length']]).toEqual([200, '', '0']);
    expect(answered.etag).toBe('"d41d8cd98f00b204e9800998ecf8427e"');
    expect((await ask('GET', '/empty/key', { headers: { range: 'bytes=0-0' } })).status).toBe(416);
  }
});

test('a put under If-None-Match with the ETag that is there is 412, with another it is done', async () => {
  await using ceph = await startTestServer({ answersAsCeph: true });
  const path = '/none-match/key';
  await send(ceph, { method: 'PUT', path: '/none-match' });
  const { headers } = await send(ceph, { method: 'PUT', path, body: 'text' });
  const put = (etag: string) =>
    send(ceph, { method: 'PUT', path, body: 'new', headers: { 'if-none-match': etag } });
  expect((await put(headers.etag ?? '')).status).toBe(412);
  expect((await put('"other"')).status).toBe(200);
});

test('a bucket without a policy is public as far as its ACL makes it so', async () => {
  await using ceph = await startTestServer({ bucketAcls: true, answersAsCeph: true });
  const headers = { 'x-amz-acl': 'public-read' };
  await send(ceph, { method: 'PUT', path: '/shut' });
  await send(ceph, { method: 'PUT', path: '/public', headers });
  const isPublic = async (bucket: string) =>
    (await send(ceph, { method: 'GET', path: `/${bucket}?policyStatus` })).element('IsPublic');
  expect([await isPublic('shut'), await isPublic('public')]).toEqual(['false', 'true']);
});

test('what its owner makes again with another ACL is a bucket that exists', async () => {
  await ask('PUT', '/again');
  const again = await ask('PUT', '/again', { headers: { 'x-amz-acl': 'public-read' } });
  expect([again.status, again.code]).toEqual([409, 'BucketAlreadyExists']);
});

test('without a signature nothing is copied, no upload begun and nobody let in, whatever is allowed', async () => {
  await ask('PUT', '/everyone', { headers: { 'x-amz-acl': 'public-read-write' } });
  const Resource = ['arn:aws:s3:::everyone', 'arn:aws:s3:::everyone/*'];
  const Statement = [{ Effect: 'Allow', Principal: '*', Action: 's3:*', Resource }];
  const body = JSON.stringify({ Version: '2012-10-17', Statement });
  expect((await ask('PUT', '/everyone?policy', { body })).status).toBe(204);
  await ask('PUT', '/everyone/source', { body: 'text' });
  expect((await ask('GET', '/everyone/source', { anonymous: true })).body).toBe('text');
  expect((await ask('PUT', '/everyone/put', { anonymous: true, body: 'x' })).status).toBe(200);
  const acl = { 'x-amz-acl': 'public-read-write' };
  const copy = { anonymous: true, headers: { 'x-amz-copy-source': 'everyone/source' } };
  const refused = [
    await ask('PUT', '/everyone/copy', copy),
    await ask('POST', '/everyone/big?uploads', { anonymous: true }),
    await ask('PUT', '/everyone?acl', { anonymous: true, headers: acl }),
    await ask('PUT', '/everyone/source?acl', { anonymous: true, headers: acl }),
    await ask('PUT', '/everyone?ownershipControls', { anonymous: true, body: OWNERSHIP }),
    await ask('DELETE', '/everyone?ownershipControls', { anonymous: true }),
  ];
  for (const { status, code, element } of refused) {
    expect([status, code]).toEqual([403, 'AccessDenied']);
    expect(element('Message')).toMatch(/^Anonymous users cannot|does not support Anonymous/);
  }
  expect((await ask('GET', '/everyone/copy')).status).toBe(404);
  expect((await ask('GET', '/everyone?uploads')).body).not.toContain('<Upload>');
});

test('two ACLs in one request are refused, also where a grantee is none', async () => {
  await ask('PUT', '/two-acls');
  for (const grantee of ['uri="http://acs.amazonaws.com/groups/global/AllUsers"', 'nobody']) {
    const headers = { 'x-amz-acl': 'private', 'x-amz-grant-read': grantee };
    const { status, code, element } = await ask('PUT', '/two-acls?acl', { headers });
    expect([status, code]).toEqual([400, 'InvalidRequest']);
    expect(element('Message')).toContain('both Canned ACLs and Header Grants');
  }
});

test('a default retention of no days, or of more than a hundred years, is no argument', async () => {
  const headers = { 'x-amz-bucket-object-lock-enabled': 'true' };
  await ask('PUT', '/retained', { headers });
  for (const [name, value] of Object.entries({ Days: '0', Years: '-1' })) {
    const period = `<${name}>${value}</${name}>`;
    const { status, code, element } = await putRetention(period);
    expect([status, code, element('ArgumentName')]).toEqual([400, 'InvalidArgument', name]);
    expect(element('Message')).toContain('must be a positive integer');
  }
  for (const period of ['<Days>36501</Days>', '<Years>101</Years>']) {
    expect((await putRetention(period)).element('Message')).toContain('too large');
  }
  expect((await putRetention('<Days>36500</Days>')).status).toBe(200);
});

function putRetention(period: string): Promise<RawAnswer> {
  const rule = `<Rule><DefaultRetention><Mode>GOVERNANCE</Mode>${period}</DefaultRetention></Rule>`;
  const body = `<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled>${rule}</ObjectLockConfiguration>`;
  return ask('PUT', '/retained?object-lock', { body });
}
