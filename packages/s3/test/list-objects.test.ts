import {
  CreateBucketCommand,
  DeleteObjectCommand,
  ListObjectsCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  PutObjectCommand,
  paginateListObjectsV2,
  type S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { send } from './raw-client.ts';
import { OWNER_ID, startTestServer, type TestServer } from './test-server.ts';

const KEYS = ['a', 'b/1', 'b/2', 'b/c/3', 'd', 'e f+g', 'é'];

let server: TestServer;
let s3: S3Client;
beforeAll(async () => {
  server = await startTestServer();
  s3 = server.client();
  await send(server, { method: 'PUT', path: '/bucket' });
  for (const key of KEYS) {
    await send(server, { method: 'PUT', path: `/bucket/${encodeURIComponent(key)}`, body: 'x' });
  }
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

const Bucket = 'bucket';

test('version 2 groups by the delimiter below the prefix', async () => {
  const top = await s3.send(new ListObjectsV2Command({ Bucket, Delimiter: '/' }));
  expect(top.Contents?.map(({ Key }) => Key)).toEqual(['a', 'd', 'e f+g', 'é']);
  expect(top.CommonPrefixes).toEqual([{ Prefix: 'b/' }]);
  expect([top.KeyCount, top.IsTruncated, top.MaxKeys]).toEqual([5, false, 1000]);
  const below = await s3.send(new ListObjectsV2Command({ Bucket, Delimiter: '/', Prefix: 'b/' }));
  expect(below.Contents?.map(({ Key }) => Key)).toEqual(['b/1', 'b/2']);
  expect(below.CommonPrefixes).toEqual([{ Prefix: 'b/c/' }]);
  expect(below.Prefix).toBe('b/');
});

test('pages of one add up to the whole, with and without a delimiter', async () => {
  for (const Delimiter of [undefined, '/']) {
    const names: (string | undefined)[] = [];
    const pages = paginateListObjectsV2({ client: s3, pageSize: 1 }, { Bucket, Delimiter });
    for await (const page of pages) {
      names.push(...(page.Contents ?? []).map(({ Key }) => Key));
      names.push(...(page.CommonPrefixes ?? []).map(({ Prefix }) => Prefix));
    }
    expect(names).toEqual(Delimiter === '/' ? ['a', 'b/', 'd', 'e f+g', 'é'] : KEYS);
  }
});

test('version 1 pages by marker, and names the next one only with a delimiter', async () => {
  const plain = await s3.send(new ListObjectsCommand({ Bucket, MaxKeys: 2 }));
  expect(plain.Contents?.map(({ Key }) => Key)).toEqual(['a', 'b/1']);
  expect([plain.IsTruncated, plain.NextMarker]).toEqual([true, undefined]);
  const next = await s3.send(new ListObjectsCommand({ Bucket, MaxKeys: 2, Marker: 'b/1' }));
  expect(next.Contents?.map(({ Key }) => Key)).toEqual(['b/2', 'b/c/3']);
  expect(next.Marker).toBe('b/1');
  const grouped = await s3.send(new ListObjectsCommand({ Bucket, MaxKeys: 2, Delimiter: '/' }));
  expect(grouped.NextMarker).toBe('b/');
  expect(plain.Contents?.[0]?.Owner).toEqual({ ID: OWNER_ID, DisplayName: 'tester' });
});

test('a bucket without versioning lists each object as its one version, and deletes it by that', async () => {
  const page = await s3.send(new ListObjectVersionsCommand({ Bucket, Delimiter: '/', MaxKeys: 2 }));
  expect(page.Versions).toMatchObject([{ Key: 'a', VersionId: 'null', IsLatest: true, Size: 1 }]);
  expect(page.CommonPrefixes).toEqual([{ Prefix: 'b/' }]);
  expect([page.IsTruncated, page.NextKeyMarker, page.NextVersionIdMarker]).toEqual([
    true,
    'b/',
    undefined,
  ]);
  const rest = await s3.send(
    new ListObjectVersionsCommand({
      Bucket,
      Delimiter: '/',
      KeyMarker: page.NextKeyMarker,
      VersionIdMarker: page.NextVersionIdMarker,
    }),
  );
  expect(rest.Versions?.map(({ Key }) => Key)).toEqual(['d', 'e f+g', 'é']);
  await send(server, { method: 'PUT', path: '/bucket/z', body: 'x' });
  await s3.send(new DeleteObjectCommand({ Bucket, Key: 'z', VersionId: 'null' }));
  expect((await send(server, { method: 'HEAD', path: '/bucket/z' })).status).toBe(404);
});

test('the owner is in version 2 only where it is asked for', async () => {
  const without = await s3.send(new ListObjectsV2Command({ Bucket, MaxKeys: 1 }));
  expect(without.Contents?.[0]?.Owner).toBeUndefined();
  const withOwner = await s3.send(
    new ListObjectsV2Command({ Bucket, MaxKeys: 1, FetchOwner: true }),
  );
  expect(withOwner.Contents?.[0]?.Owner?.ID).toBe(OWNER_ID);
  expect(withOwner.Contents?.[0]).toMatchObject({
    Key: 'a',
    ETag: '"9dd4e461268c8034f5c8564e155c67a6"',
    Size: 1,
    StorageClass: 'STANDARD',
    ChecksumAlgorithm: ['CRC64NVME'],
  });
});

test('start-after is exclusive, and a token wins over it', async () => {
  const after = await s3.send(new ListObjectsV2Command({ Bucket, StartAfter: 'b/2', MaxKeys: 1 }));
  expect(after.Contents?.map(({ Key }) => Key)).toEqual(['b/c/3']);
  expect(after.StartAfter).toBe('b/2');
  const next = await s3.send(
    new ListObjectsV2Command({
      Bucket,
      StartAfter: 'zzz',
      MaxKeys: 1,
      ContinuationToken: after.NextContinuationToken,
    }),
  );
  expect(next.Contents?.map(({ Key }) => Key)).toEqual(['d']);
});

test('encoding-type=url encodes every name in the answer', async () => {
  const answer = await send(server, {
    method: 'GET',
    path: '/bucket?list-type=2&encoding-type=url&prefix=e%20f&delimiter=%2B',
  });
  expect(answer.element('EncodingType')).toBe('url');
  expect(answer.body).toContain('<Prefix>e%20f</Prefix>');
  expect(answer.body).toContain('<Delimiter>%2B</Delimiter>');
  expect(answer.body).toContain('<CommonPrefixes><Prefix>e%20f%2B</Prefix></CommonPrefixes>');
});

test('version 1 encodes the prefix too, as SDKs decode it before they ask for the next page', async () => {
  const query = 'delimiter=%2B&marker=e%25&prefix=e%25%0Af';
  const encoded = await send(server, { method: 'GET', path: `/bucket?encoding-type=url&${query}` });
  expect(encoded.body).toContain('<Prefix>e%25%0Af</Prefix>');
  expect(encoded.body).toContain('<Marker>e%25</Marker>');
  const plain = await s3.send(new ListObjectsCommand({ Bucket, Prefix: 'e%\nf' }));
  expect(plain.Prefix).toBe('e%\nf');
});

test('max-keys 0 is an empty page, more than 1000 is 1000', async () => {
  const none = await s3.send(new ListObjectsV2Command({ Bucket, MaxKeys: 0 }));
  expect([none.Contents, none.IsTruncated, none.KeyCount]).toEqual([undefined, false, 0]);
  const all = await s3.send(new ListObjectsV2Command({ Bucket, MaxKeys: 5000 }));
  expect([all.MaxKeys, all.KeyCount]).toEqual([1000, KEYS.length]);
});

test('arguments that cannot be are InvalidArgument with their names and values', async () => {
  for (const [query, name, value] of [
    ['max-keys=x', 'max-keys', 'x'],
    ['max-keys=-1', 'max-keys', '-1'],
    ['max-keys=99999999999', 'max-keys', '99999999999'],
    ['encoding-type=base64', 'encoding-type', 'base64'],
    ['list-type=3', 'list-type', '3'],
    ['list-type=2&continuation-token=', 'continuation-token', ''],
    ['list-type=2&continuation-token=forged', 'continuation-token', 'forged'],
    ['list-type=2&continuation-token=1a', 'continuation-token', '1a'],
    ['list-type=2&continuation-token=1_w', 'continuation-token', '1_w'],
  ] as const) {
    const answer = await send(server, { method: 'GET', path: `/bucket?${query}` });
    expect([query, answer.status, answer.code]).toEqual([query, 400, 'InvalidArgument']);
    expect(answer.element('ArgumentName')).toBe(name);
    expect(answer.element('ArgumentValue')).toBe(value);
  }
});

test('with x-holdfast-pin a paginator of the SDK sees one revision, whatever is written between its pages', async () => {
  await using server = await startTestServer();
  const plain = server.client();
  const Bucket = 'pinned';
  await plain.send(new CreateBucketCommand({ Bucket }));
  const put = (Key: string) => plain.send(new PutObjectCommand({ Bucket, Key, Body: Key }));
  for (const Key of ['a', 'b', 'c']) await put(Key);
  const client = server.client();
  client.middlewareStack.add(
    (next) => (args) => {
      (args.request as { headers: Record<string, string> }).headers['x-holdfast-pin'] = 'true';
      return next(args);
    },
    { step: 'build', name: 'pin' },
  );
  const seen: (string | undefined)[] = [];
  for await (const page of paginateListObjectsV2({ client, pageSize: 1 }, { Bucket })) {
    seen.push(...(page.Contents ?? []).map(({ Key }) => Key));
    await put(`b${seen.length}`);
  }
  expect(seen).toEqual(['a', 'b', 'c']);
  const ContinuationToken = `2${'0'.repeat(32)}YQ`;
  const foreign = plain.send(new ListObjectsV2Command({ Bucket, ContinuationToken }));
  await expect(foreign).rejects.toMatchObject({ name: 'InvalidArgument' });
});

test.each([
  ['version 1', 'pages-v1', 'marker'],
  ['versions', 'pages-of-versions', 'versions&key-marker'],
])(
  '%s: pages are of one revision with what the page before came with',
  async (_what, bucket, marker) => {
    const path = `/${bucket}`;
    await send(server, { method: 'PUT', path });
    const put = (key: string) => send(server, { method: 'PUT', path: `${path}/${key}`, body: key });
    for (const key of ['a', 'b', 'c']) await put(key);
    const page = async (after: string, pin: string) => {
      const answer = await send(server, {
        method: 'GET',
        path: `${path}?${marker}=${after}&max-keys=1`,
        headers: { 'x-holdfast-pin': pin },
      });
      return [answer.status, answer.element('Key'), answer.headers['x-holdfast-pin']];
    };
    const first = await page('', 'true');
    expect(first).toEqual([200, 'a', expect.stringMatching(/^[0-9a-f]{32}$/)]);
    await put('a-later');
    await send(server, { method: 'DELETE', path: `${path}/c` });
    const pin = String(first[2]);
    expect(await page('a', pin)).toEqual([200, 'b', pin]);
    expect(await page('b', pin)).toEqual([200, 'c', undefined]);
    // The last page has ended it.
    expect(await page('b', pin)).toEqual([400, undefined, undefined]);
    expect(await page('a', 'false')).toEqual([200, 'a-later', undefined]);
    expect(await page('', 'yes')).toEqual([400, undefined, undefined]);
  },
);
