import { request } from 'node:http';
import { Readable } from 'node:stream';
import {
  type ChecksumAlgorithm,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ACCESS_KEY, SECRET_KEY } from '../auth/request-signer.ts';
import { type Received, startVerifyingServer, type VerifyingServer } from './verifying-server.ts';

let server: VerifyingServer;
let client: S3Client;

beforeAll(async () => {
  server = await startVerifyingServer();
  client = new S3Client({
    endpoint: `http://127.0.0.1:${server.port}`,
    forcePathStyle: true,
    region: 'us-east-1',
    maxAttempts: 1,
    credentials: { accessKeyId: ACCESS_KEY, secretAccessKey: SECRET_KEY },
  });
});

beforeEach(() => {
  server.received.length = 0;
  server.refused.length = 0;
});

afterAll(async () => {
  client.destroy();
  await server[Symbol.asyncDispose]();
});

/** The one request that came; it was accepted. */
function onlyRequest(): Received {
  expect(server.refused).toEqual([]);
  expect(server.received).toHaveLength(1);
  const [received] = server.received;
  expect(received?.authentication).toMatchObject({ kind: 'signed', accessKeyId: ACCESS_KEY });
  return received as Received;
}

/** Sends a presigned request as it is: a `URL` would normalise the path. */
async function sendPresigned(
  method: string,
  url: string,
  body: string,
  headers: Record<string, string> = {},
): Promise<number> {
  const path = url.slice(url.indexOf('/', 'http://'.length));
  return await new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port: server.port, method, path, headers }, (res) => {
      res.resume().on('end', () => resolve(res.statusCode ?? 0));
    });
    sent.on('error', reject).end(body);
  });
}

const NASTY_KEYS = [
  'plain',
  'a b+c',
  ' spaces at both ends ',
  'a//b',
  '/leading and trailing/',
  '../x/../..',
  './y/.',
  'a%2Fb%zz%',
  "!'()*~-_.",
  '&=?#;:@,$[]{}|\\^`"<>',
  'ü/ö/日本/\u{1f600}',
  'line\nbreak\ttab\u0001\u007f',
];

describe('requests of the AWS SDK are accepted', () => {
  test.each(NASTY_KEYS)('key %j, signed in the header', async (Key) => {
    await client.send(new GetObjectCommand({ Bucket: 'bucket', Key }));
    const path = onlyRequest().rawUrl.split('?')[0] as string;
    expect(decodeURIComponent(path)).toBe(`/bucket/${Key}`);
  });

  test.each(NASTY_KEYS)('key %j, presigned', async (Key) => {
    const command = new GetObjectCommand({ Bucket: 'bucket', Key, VersionId: 'a+b/c=' });
    expect(await sendPresigned('GET', await getSignedUrl(client, command), '')).toBe(200);
    expect(onlyRequest().authentication).toMatchObject({ via: 'query' });
  });

  test.each(NASTY_KEYS)('prefix %j', async (Prefix) => {
    const StartAfter = Prefix.split('').reverse().join('').toWellFormed();
    await client.send(
      new ListObjectsV2Command({ Bucket: 'bucket', Prefix, StartAfter, Delimiter: '/' }),
    );
    onlyRequest();
  });

  test('metadata and other headers, with spaces', async () => {
    const command = new PutObjectCommand({
      Bucket: 'bucket',
      Key: 'k',
      Body: 'body',
      ACL: 'private',
      CacheControl: 'no-cache,  no-store',
      ContentType: 'text/plain; charset=utf-8',
      Metadata: { one: 'two  three', empty: '' },
      Tagging: 'a=b&c=d%20e',
    });
    await client.send(command);
    expect(onlyRequest().body).toBe('body');
  });
});

describe('bodies of the AWS SDK are accepted', () => {
  const algorithms: ChecksumAlgorithm[] = ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'];
  const text = 'body '.repeat(20_000);

  test('a string, with the SDK’s default checksum', async () => {
    await client.send(new PutObjectCommand({ Bucket: 'bucket', Key: 'k', Body: text }));
    const received = onlyRequest();
    expect(received.body).toBe(text);
    expect(received.checksum).toMatchObject({ algorithm: 'crc32' });
  });

  test('a stream, with the SDK’s default checksum in a trailer', async () => {
    const Body = Readable.from([Buffer.from(text)]);
    const command = new PutObjectCommand({
      Bucket: 'bucket',
      Key: 'k',
      Body,
      ContentLength: text.length,
      ContentEncoding: 'gzip',
    });
    await client.send(command);
    const received = onlyRequest();
    expect(received.authentication.payload).toBe('streaming-unsigned-trailer');
    expect(received).toMatchObject({
      body: text,
      contentEncoding: 'gzip',
      checksum: { algorithm: 'crc32' },
    });
  });

  test('an empty body', async () => {
    await client.send(new PutObjectCommand({ Bucket: 'bucket', Key: 'k', Body: '' }));
    expect(onlyRequest().body).toBe('');
  });

  test.each(algorithms)('%s in a header', async (ChecksumAlgorithm) => {
    const command = { Bucket: 'bucket', Key: 'k', Body: text, ChecksumAlgorithm };
    await client.send(new PutObjectCommand(command));
    expect(onlyRequest().checksum).toMatchObject({ algorithm: ChecksumAlgorithm.toLowerCase() });
  });

  test.each(algorithms)('%s in a trailer', async (ChecksumAlgorithm) => {
    const Body = Readable.from([Buffer.from(text)]);
    const command = { Bucket: 'bucket', Key: 'k', Body, ContentLength: text.length };
    await client.send(new PutObjectCommand({ ...command, ChecksumAlgorithm }));
    expect(onlyRequest().checksum).toMatchObject({ algorithm: ChecksumAlgorithm.toLowerCase() });
  });

  test('a presigned upload of any body: the checksum in the URL is of the empty one', async () => {
    const command = new PutObjectCommand({
      Bucket: 'bucket',
      Key: 'k',
      ACL: 'public-read',
      Metadata: { one: 'two three' },
    });
    const url = await getSignedUrl(client, command);
    expect(url).toContain('x-amz-checksum-crc32=');
    expect(await sendPresigned('PUT', url, text)).toBe(200);
    const { authentication, body } = onlyRequest();
    expect(body).toBe(text);
    expect(authentication.headers.get('x-amz-acl')).toBe('public-read');
    expect(authentication.headers.get('x-amz-meta-one')).toBe('two three');
  });

  test('a presigned upload whose headers were signed', async () => {
    const headers = { 'content-type': 'text/plain' };
    const command = new PutObjectCommand({ Bucket: 'bucket', Key: 'k', ContentType: 'text/plain' });
    const url = await getSignedUrl(client, command, { signableHeaders: new Set(['content-type']) });
    expect(await sendPresigned('PUT', url, text, headers)).toBe(200);
    expect(await sendPresigned('PUT', url, text, { 'content-type': 'text/html' })).toBe(400);
    expect(server.refused[0]).toContain('does not match');
  });
});
