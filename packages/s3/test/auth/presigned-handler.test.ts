import { createHmac } from 'node:crypto';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { expect, test } from 'vitest';
import { type RawAnswer, RawSocket, send } from '../raw-client.ts';
import {
  ACCESS_KEY,
  SECRET_KEY,
  startTestServer,
  type TestServer,
  type TestServerOptions,
} from '../test-server.ts';

async function startWithBucket(options: TestServerOptions = {}): Promise<TestServer> {
  const server = await startTestServer(options);
  await send(server, { method: 'PUT', path: '/bucket' });
  return server;
}

interface Presigned {
  readonly method?: string;
  readonly resource?: string;
  readonly target?: string;
  /** Headers that the URL carries. */
  readonly carried?: Readonly<Record<string, string>>;
}

/** A URL as version 1 of the AWS CLI presigns it, by code of this test alone. */
function presign(server: TestServer, draft: Presigned = {}): string {
  const { method = 'GET', resource = '/bucket/key', target = resource, carried = {} } = draft;
  const expires = Math.floor(server.clock.nowMs() / 1000) + 60;
  const amz = Object.entries(carried).filter(([name]) => name.startsWith('x-amz-'));
  const toSign = [
    method,
    carried['content-md5'] ?? '',
    carried['content-type'] ?? '',
    expires,
    ...amz.map(([name, value]) => `${name}:${value}`).sort(),
    resource,
  ].join('\n');
  const signature = createHmac('sha1', SECRET_KEY).update(toSign).digest('base64');
  const query = new URLSearchParams({
    AWSAccessKeyId: ACCESS_KEY,
    Signature: signature,
    ...carried,
    Expires: String(expires),
  });
  return `${server.endpoint}${target}${target.includes('?') ? '&' : '?'}${query.toString()}`;
}

async function codeOf(answer: Response): Promise<string | undefined> {
  return /<Code>([^<]*)/.exec(await answer.text())?.[1];
}

function head(server: TestServer): Promise<RawAnswer> {
  return send(server, { method: 'HEAD', path: '/bucket/key' });
}

test('a Version 2 URL puts, gets and lists without credentials, until it expires', async () => {
  await using server = await startWithBucket();
  const put = await fetch(presign(server, { method: 'PUT' }), {
    method: 'PUT',
    body: Buffer.from('shared'),
  });
  expect(put.status).toBe(200);
  const getUrl = presign(server);
  expect(await (await fetch(getUrl)).text()).toBe('shared');
  const resource = '/bucket/key?response-content-type=text/q';
  const shown = await fetch(presign(server, { resource }));
  expect(shown.headers.get('content-type')).toBe('text/q');
  const list = await fetch(presign(server, { resource: '/bucket/', target: '/bucket' }));
  expect(await list.text()).toContain('<Key>key</Key>');
  expect(await codeOf(await fetch(getUrl, { method: 'DELETE' }))).toBe('SignatureDoesNotMatch');
  server.clock.advance(61_000);
  expect(await (await fetch(getUrl)).text()).toContain('<Message>Request has expired</Message>');
});

test('a Version 2 URL below the host of a bucket', async () => {
  await using server = await startWithBucket({ domains: ['localhost'] });
  await send(server, { method: 'PUT', path: '/bucket/key', body: 'in a host' });
  const url = new URL(presign(server, { resource: '/bucket/key', target: '/key' }));
  const path = `${url.pathname}${url.search}`;
  const get = async (host: string) => {
    await using socket = new RawSocket(server.port);
    socket.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    return await socket.untilEnd();
  };
  expect(await get('other.localhost')).toContain('<Code>SignatureDoesNotMatch</Code>');
  expect(await get(`bucket.localhost:${server.port}`)).toMatch(/\r\n\r\nin a host$/);
});

test('metadata and type that a Version 2 URL carries are stored', async () => {
  await using server = await startWithBucket();
  const carried = { 'content-type': 'text/q', 'x-amz-meta-name': 'grün 漢字' };
  const url = presign(server, { method: 'PUT', carried });
  const put = await fetch(url, { method: 'PUT', body: Buffer.from('x') });
  expect(put.status).toBe(200);
  const { headers } = await head(server);
  expect(headers['content-type']).toBe('text/q');
  expect(Buffer.from(String(headers['x-amz-meta-name']), 'latin1').toString()).toBe('grün 漢字');
});

test.each([
  ['content-md5', 'CY9rzUYh03PK3k6DJie09g=='],
  ['x-amz-checksum-sha256', 'n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg='],
])('%s that a Version 2 URL carries is of the body, or nothing is stored', async (name, value) => {
  await using server = await startWithBucket();
  const url = presign(server, { method: 'PUT', carried: { [name]: value } });
  const put = (body: string) => fetch(url, { method: 'PUT', body: Buffer.from(body) });
  expect(await codeOf(await put('other'))).toBe('BadDigest');
  expect((await head(server)).status).toBe(404);
  expect((await put('test')).status).toBe(200);
});

test('headers sent with a Version 4 URL that signs them are honoured: checksum and metadata', async () => {
  await using server = await startWithBucket();
  const checksum = 'n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=';
  const url = await getSignedUrl(
    server.client(),
    new PutObjectCommand({
      Bucket: 'bucket',
      Key: 'key',
      ChecksumSHA256: checksum,
      Metadata: { a: 'b' },
    }),
    {
      signingDate: new Date(server.clock.nowMs()),
      unhoistableHeaders: new Set(['x-amz-checksum-sha256']),
    },
  );
  expect(url).toContain('x-amz-meta-a=b');
  const headers = { 'x-amz-checksum-sha256': checksum };
  const put = (body: string) => fetch(url, { method: 'PUT', body: Buffer.from(body), headers });
  expect(await codeOf(await put('other'))).toBe('BadDigest');
  const stored = await put('test');
  expect([stored.status, stored.headers.get('x-amz-checksum-sha256')]).toEqual([200, checksum]);
  expect((await head(server)).headers['x-amz-meta-a']).toBe('b');
});

test('switched off, a Version 2 URL is refused and a Version 4 signature is not', async () => {
  await using server = await startWithBucket({ allowSignatureV2: false });
  expect(await codeOf(await fetch(presign(server)))).toBe('InvalidRequest');
  expect((await head(server)).status).toBe(404);
});
