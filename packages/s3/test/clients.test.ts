import { request as httpRequest } from 'node:http';
import { Readable } from 'node:stream';
import { GetObjectCommand, HeadBucketCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { expect, test } from 'vitest';
import { send } from './raw-client.ts';
import { startTestServer } from './test-server.ts';

test('a stream put by the SDK is sent with a trailing checksum, which is verified and stored', async () => {
  await using server = await startTestServer();
  await send(server, { method: 'PUT', path: '/bucket' });
  const seen: string[] = [];
  server.server.on('request', (req) => {
    seen.push(`${req.headers['x-amz-content-sha256']} ${req.headers['x-amz-trailer']}`);
  });
  const s3 = server.client();
  const pieces = Array.from({ length: 40 }, (_, i) => Buffer.alloc(10_000, i));
  const put = await s3.send(
    new PutObjectCommand({
      Bucket: 'bucket',
      Key: 'stream',
      Body: Readable.from(pieces),
      ContentLength: 400_000,
    }),
  );
  expect(seen).toEqual(['STREAMING-UNSIGNED-PAYLOAD-TRAILER x-amz-checksum-crc32']);
  expect(put.ChecksumCRC32).toMatch(/^[A-Za-z0-9+/]{6}==$/);
  const got = await s3.send(
    new GetObjectCommand({ Bucket: 'bucket', Key: 'stream', ChecksumMode: 'ENABLED' }),
  );
  const bytes = Buffer.from((await got.Body?.transformToByteArray()) ?? []);
  expect(Buffer.compare(bytes, Buffer.concat(pieces))).toBe(0);
  expect(got.ChecksumCRC32).toBe(put.ChecksumCRC32);
  expect(got.ContentEncoding).toBeUndefined();
});

test('virtual-host style names the bucket in the host, the longest domain first', async () => {
  await using server = await startTestServer({ domains: ['s3.localhost', 'localhost'] });
  await send(server, { method: 'PUT', path: '/photos' });
  const host = (name: string) => ({ host: `${name}:${server.port}` });
  const put = await send(server, {
    method: 'PUT',
    path: '/photos/a',
    body: 'in a host',
    headers: host('photos.s3.localhost'),
  });
  expect(put.status).toBe(200);
  for (const [name, path] of [
    ['photos.s3.localhost', '/photos/a'],
    ['PHOTOS.localhost', '/photos/a'],
    ['s3.localhost', '/photos/photos/a'],
    ['localhost', '/photos/photos/a'],
    ['127.0.0.1', '/photos/photos/a'],
  ] as const) {
    const got = await send(server, { method: 'GET', path, headers: host(name) });
    expect([name, got.body]).toEqual([name, 'in a host']);
  }
  const inHost = { headers: host('photos.s3.localhost') };
  const root = await send(server, { method: 'GET', path: '/?list-type=2', ...inHost });
  expect(root.element('Key')).toBe('photos/a');
  const path = '/photos/parts';
  const begun = await send(server, { method: 'POST', path: `${path}?uploads`, ...inHost });
  const id = `uploadId=${begun.element('UploadId')}`;
  const part = { method: 'PUT', path: `${path}?partNumber=1&${id}`, body: 'x', ...inHost };
  const ETag = (await send(server, part)).headers.etag;
  const body = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${ETag}</ETag></Part></CompleteMultipartUpload>`;
  const whole = await send(server, { method: 'POST', path: `${path}?${id}`, body, ...inHost });
  expect(whole.element('Location')).toBe(
    `http://photos.s3.localhost:${server.port}/photos%2Fparts`,
  );
});

test('presigned URLs put and get without credentials, until they expire', async () => {
  await using server = await startTestServer();
  await send(server, { method: 'PUT', path: '/bucket' });
  const s3 = server.client();
  const signingDate = new Date(server.clock.nowMs());
  const options = { expiresIn: 60, signingDate };
  const putUrl = await getSignedUrl(
    s3,
    new PutObjectCommand({ Bucket: 'bucket', Key: 'a b+c', ContentType: 'text/q' }),
    options,
  );
  const put = await fetch(putUrl, {
    method: 'PUT',
    body: 'shared',
    headers: { 'content-type': 'text/q' },
  });
  expect(put.status).toBe(200);
  const getUrl = await getSignedUrl(
    s3,
    new GetObjectCommand({
      Bucket: 'bucket',
      Key: 'a b+c',
      ResponseContentDisposition: 'attachment',
    }),
    options,
  );
  const got = await fetch(getUrl);
  expect([got.status, await got.text()]).toEqual([200, 'shared']);
  expect(got.headers.get('content-disposition')).toBe('attachment');
  expect((await fetch(getUrl.replace('a%20b', 'other'))).status).toBe(403);
  expect((await fetch(getUrl, { method: 'DELETE' })).status).toBe(403);
  server.clock.advance(61_000);
  const late = await fetch(getUrl);
  expect([late.status, await late.text()]).toEqual([
    403,
    expect.stringContaining('<Code>AccessDenied</Code><Message>Request has expired</Message>'),
  ]);
});

test('metadata in a presigned URL is kept byte for byte, and a line break in it is refused', async () => {
  await using server = await startTestServer();
  await send(server, { method: 'PUT', path: '/bucket' });
  const s3 = server.client();
  const putWith = async (value: string) => {
    const url = await getSignedUrl(
      s3,
      new PutObjectCommand({ Bucket: 'bucket', Key: 'key', Metadata: { name: value } }),
      { signingDate: new Date(server.clock.nowMs()) },
    );
    expect(url).toContain('x-amz-meta-name=');
    return fetch(url, { method: 'PUT', body: 'x' });
  };
  expect((await putWith('grün 漢字')).status).toBe(200);
  const head = await send(server, { method: 'HEAD', path: '/bucket/key' });
  const kept = Buffer.from(String(head.headers['x-amz-meta-name']), 'latin1').toString();
  expect(kept).toBe('grün 漢字');
  const split = await putWith('a\r\nset-cookie: b');
  expect([split.status, await split.text()]).toEqual([
    400,
    expect.stringContaining('<Code>InvalidArgument</Code>'),
  ]);
});

test('every answer names the request, and the hook is told about it once', async () => {
  await using server = await startTestServer();
  const s3 = server.client();
  await send(server, { method: 'PUT', path: '/bucket' });
  await send(server, { method: 'PUT', path: '/bucket/key', body: '12345' });
  await send(server, { method: 'GET', path: '/bucket/key' });
  await s3.send(new HeadBucketCommand({ Bucket: 'bucket' }));
  await send(server, { method: 'GET', path: '/bucket/absent' });
  expect(server.records).toMatchObject([
    { operation: 'CreateBucket', status: 200, bytesIn: 0 },
    { operation: 'PutObject', status: 200, bytesIn: 5, bytesOut: 0, errorCode: undefined },
    { operation: 'GetObject', status: 200, bytesIn: 0, bytesOut: 5 },
    { operation: 'HeadBucket', status: 200 },
    { operation: 'GetObject', status: 404, errorCode: 'NoSuchKey' },
  ]);
  expect(new Set(server.records.map(({ requestId }) => requestId)).size).toBe(5);
});

test('a client that reads slowly or leaves costs no more than one piece of memory', async () => {
  let piecesTaken = 0;
  let closed = 0;
  await using server = await startTestServer({
    wrap: (store) => ({
      ...store,
      getObject: async (request) => {
        const reader = await store.getObject(request);
        async function* counted(): AsyncGenerator<Uint8Array> {
          for await (const piece of reader.body) {
            piecesTaken++;
            yield piece;
          }
        }
        return {
          info: reader.info,
          offset: reader.offset,
          length: reader.length,
          part: reader.part,
          immediate: undefined,
          body: counted(),
          close: () => {
            closed++;
            reader.close();
          },
        };
      },
    }),
  });
  await send(server, { method: 'PUT', path: '/bucket' });
  const s3 = server.client();
  const Body = Buffer.alloc(64 * 1024 * 1024);
  await s3.send(new PutObjectCommand({ Bucket: 'bucket', Key: 'huge', Body }));
  const url = await getSignedUrl(s3, new GetObjectCommand({ Bucket: 'bucket', Key: 'huge' }), {
    signingDate: new Date(server.clock.nowMs()),
  });
  await new Promise<void>((resolve) => {
    const req = httpRequest(url, (res) => {
      res.once('data', () => {
        res.pause();
        req.destroy();
        resolve();
      });
      res.on('error', () => {});
    });
    req.on('error', () => {});
    req.end();
  });
  await server.recorded(server.records.length + 1);
  expect(piecesTaken).toBeLessThan(40);
  expect(closed).toBe(1);
  expect(server.records.at(-1)).toMatchObject({ operation: 'GetObject', errorCode: 'ClientGone' });
});
