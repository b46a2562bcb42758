import {
  CreateBucketCommand,
  GetObjectCommand,
  ListObjectsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { send } from './raw-client.ts';
import { startTestServer } from './test-server.ts';

const NASTY = [
  '/',
  '//',
  '/leading',
  'trailing/',
  'a//b',
  '.',
  '..',
  '../up',
  'a/../b',
  'a/./b',
  'a%2Fb',
  'a%252Fb',
  '%',
  'a+b',
  'a b',
  ' ',
  'a?b',
  'a#b',
  'a&b=c',
  '<&>"\'',
  '\u0001\u001f\u007f',
  'line\nfeed\r\ttab',
  'é',
  'e\u0301',
  '漢字',
  '😀🏳️‍🌈',
  '\u{10ffff}',
  '\u{f0000}x',
  '\ufffe',
  '\u2028',
  'acl',
  '__proto__',
  'x'.repeat(1024),
];

test('every legal key keeps its bytes through put, get and a list that is url-encoded', async () => {
  await using server = await startTestServer();
  await send(server, { method: 'PUT', path: '/bucket' });
  for (const key of NASTY) {
    const path = `/bucket/${encodeKey(key)}`;
    const put = await send(server, { method: 'PUT', path, body: key });
    expect([key, put.status]).toEqual([key, 200]);
  }
  for (const key of NASTY) {
    const got = await send(server, { method: 'GET', path: `/bucket/${encodeKey(key)}` });
    expect([key, got.status, got.body]).toEqual([key, 200, key]);
  }
  const list = await send(server, { method: 'GET', path: '/bucket?list-type=2&encoding-type=url' });
  const listed = [...list.body.matchAll(/<Key>([^<]*)<\/Key>/g)].map(([, k = '']) =>
    decodeURIComponent(k),
  );
  expect(listed).toEqual(inByteOrder(NASTY));
});

test('the slash may be escaped or not: it is the same key', async () => {
  await using server = await startTestServer();
  await send(server, { method: 'PUT', path: '/bucket' });
  await send(server, { method: 'PUT', path: '/bucket/a%2Fb', body: 'x' });
  expect((await send(server, { method: 'GET', path: '/bucket/a/b' })).body).toBe('x');
  expect((await send(server, { method: 'GET', path: '/bucket/a%252Fb' })).status).toBe(404);
});

test('the SDK round-trips keys and lists them', async () => {
  await using server = await startTestServer();
  const s3 = server.client();
  await s3.send(new CreateBucketCommand({ Bucket: 'bucket' }));
  const keys = NASTY.filter((key) => key !== '.' && key !== '..');
  for (const Key of keys) {
    await s3.send(new PutObjectCommand({ Bucket: 'bucket', Key, Body: Key }));
    const got = await s3.send(new GetObjectCommand({ Bucket: 'bucket', Key }));
    expect(await got.Body?.transformToString()).toBe(Key);
  }
  const printable = inByteOrder(keys).filter((key) => !/[\u0000-\u001f\u007f\ufffe]/.test(key));
  const lists = [
    await s3.send(new ListObjectsCommand({ Bucket: 'bucket' })),
    await s3.send(new ListObjectsV2Command({ Bucket: 'bucket' })),
  ];
  for (const list of lists) {
    const listed = (list.Contents ?? []).map(({ Key = '' }) => Key);
    expect(listed.filter((key) => printable.includes(key))).toEqual(printable);
  }
});

test('the SDK round-trips keys of every plane of Unicode, and lists them in byte order', async () => {
  await using server = await startTestServer();
  const s3 = server.client();
  await s3.send(new CreateBucketCommand({ Bucket: 'bucket' }));
  const planes = Array.from({ length: 17 }, (_, plane) => plane * 0x10000);
  const keys = planes.flatMap((start) =>
    [0x41, 0x20ac, 0xfffd].map((offset) => `planes/${String.fromCodePoint(start + offset)}`),
  );
  for (const Key of keys) {
    await s3.send(new PutObjectCommand({ Bucket: 'bucket', Key, Body: Key }));
  }
  const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket: 'bucket' }));
  expect(Contents.map(({ Key }) => Key)).toEqual(inByteOrder(keys));
  for (const Key of keys) {
    const got = await s3.send(new GetObjectCommand({ Bucket: 'bucket', Key }));
    expect(await got.Body?.transformToString()).toBe(Key);
  }
});

test('any key of any characters round-trips', async () => {
  await using server = await startTestServer();
  await send(server, { method: 'PUT', path: '/bucket' });
  const anyKey = fc
    .string({ unit: 'binary', minLength: 1, maxLength: 200 })
    .filter((key) => Buffer.byteLength(key) <= 1024);
  await fc.assert(
    fc.asyncProperty(anyKey, async (key) => {
      const path = `/bucket/${encodeKey(key)}`;
      await send(server, { method: 'PUT', path, body: key });
      const info = await server.store.headObject({ bucket: 'bucket', key });
      expect(info.key).toBe(key);
      expect((await send(server, { method: 'GET', path })).body).toBe(key);
    }),
    { numRuns: 60 },
  );
});

function encodeKey(key: string): string {
  return encodeURIComponent(key).replaceAll('%2F', '/');
}

function inByteOrder(keys: readonly string[]): string[] {
  return [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

test('a key and the keys below it are all objects, in every order', async () => {
  await using server = await startTestServer();
  const client = server.client();
  const keys = ['foo', 'foo/', 'foo/bar', 'foo/bar/baz'];
  for (const [index, order] of [keys, keys.toReversed()].entries()) {
    const Bucket = `bucket-${index}`;
    await client.send(new CreateBucketCommand({ Bucket }));
    for (const Key of order) await client.send(new PutObjectCommand({ Bucket, Key, Body: Key }));
    for (const Key of keys) {
      const { Body } = await client.send(new GetObjectCommand({ Bucket, Key }));
      expect(await Body?.transformToString()).toBe(Key);
    }
    const page = await client.send(new ListObjectsV2Command({ Bucket, Delimiter: '/' }));
    expect(page.Contents?.map(({ Key }) => Key)).toEqual(['foo']);
    expect(page.CommonPrefixes?.map(({ Prefix }) => Prefix)).toEqual(['foo/']);
  }
});
