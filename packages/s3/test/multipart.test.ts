import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  GetObjectAttributesCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  PutObjectCommand,
  PutObjectTaggingCommand,
  type S3Client,
  UploadPartCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { RawSocket, rawHead, send } from './raw-client.ts';
import { OWNER_ID, startTestServer, type TestServer } from './test-server.ts';

const MIB = 1024 * 1024;
const Bucket = 'bucket';

let server: TestServer;
let s3: S3Client;
beforeAll(async () => {
  server = await startTestServer();
  s3 = server.client();
  await s3.send(new CreateBucketCommand({ Bucket }));
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

async function start(Key: string): Promise<string> {
  const { UploadId = '' } = await s3.send(
    new CreateMultipartUploadCommand({ Bucket, Key, ContentType: 'text/parts' }),
  );
  return UploadId;
}

async function upload(Key: string, UploadId: string, PartNumber: number, Body: Uint8Array) {
  const { ETag } = await s3.send(
    new UploadPartCommand({ Bucket, Key, UploadId, PartNumber, Body }),
  );
  return { ETag, PartNumber };
}

test('parts are uploaded, copied, listed and completed into one object', async () => {
  const Key = 'dir/whole';
  await s3.send(new PutObjectCommand({ Bucket, Key: 'source', Body: 'abcdefgh' }));
  const UploadId = await start(Key);
  const first = await upload(Key, UploadId, 1, Buffer.alloc(5 * MIB, 'a'));
  const copied = await s3.send(
    new UploadPartCopyCommand({
      Bucket,
      Key,
      UploadId,
      PartNumber: 2,
      CopySource: `${Bucket}/source`,
      CopySourceRange: 'bytes=2-4',
    }),
  );
  const page = await s3.send(new ListPartsCommand({ Bucket, Key, UploadId, MaxParts: 1 }));
  expect(page.Parts).toMatchObject([{ PartNumber: 1, Size: 5 * MIB, ETag: first.ETag }]);
  expect([page.IsTruncated, page.NextPartNumberMarker]).toEqual([true, '1']);
  const rest = await s3.send(
    new ListPartsCommand({ Bucket, Key, UploadId, PartNumberMarker: page.NextPartNumberMarker }),
  );
  expect(rest.Parts).toMatchObject([{ PartNumber: 2, Size: 3 }]);
  const uploads = await s3.send(new ListMultipartUploadsCommand({ Bucket, Prefix: 'dir/' }));
  expect(uploads.Uploads).toMatchObject([{ Key, UploadId }]);
  const completed = await s3.send(
    new CompleteMultipartUploadCommand({
      Bucket,
      Key,
      UploadId,
      MultipartUpload: { Parts: [first, { PartNumber: 2, ETag: copied.CopyPartResult?.ETag }] },
    }),
  );
  expect(completed.ETag).toMatch(/^"[0-9a-f]{32}-2"$/);
  expect(completed.Location).toBe(`${server.endpoint}/${Bucket}/dir%2Fwhole`);
  const got = await s3.send(new GetObjectCommand({ Bucket, Key, Range: 'bytes=-4' }));
  expect(await got.Body?.transformToString()).toBe('acde');
  expect(got.ContentType).toBe('text/parts');
  const part = await s3.send(new GetObjectCommand({ Bucket, Key, PartNumber: 2 }));
  expect(await part.Body?.transformToString()).toBe('cde');
  expect([part.PartsCount, part.ContentRange]).toEqual([
    2,
    `bytes ${5 * MIB}-${5 * MIB + 2}/${5 * MIB + 3}`,
  ]);
  const head = await s3.send(new HeadObjectCommand({ Bucket, Key, PartNumber: 1 }));
  expect([head.ContentLength, head.PartsCount]).toEqual([5 * MIB, 2]);
  const attributes = await s3.send(
    new GetObjectAttributesCommand({
      Bucket,
      Key,
      ObjectAttributes: ['ETag', 'ObjectSize', 'ObjectParts', 'StorageClass'],
    }),
  );
  expect(attributes).toMatchObject({
    ETag: completed.ETag?.slice(1, -1),
    ObjectSize: 5 * MIB + 3,
    ObjectParts: { TotalPartsCount: 2 },
    StorageClass: 'STANDARD',
  });
});

test('a part below 5 MiB that is not the last is EntityTooSmall, and nothing is stored', async () => {
  const Key = 'small';
  const UploadId = await start(Key);
  const Parts = [
    await upload(Key, UploadId, 1, Buffer.alloc(4 * MIB)),
    await upload(Key, UploadId, 2, Buffer.alloc(1)),
  ];
  await expect(
    s3.send(
      new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts } }),
    ),
  ).rejects.toMatchObject({
    name: 'EntityTooSmall',
    message: 'Your proposed upload is smaller than the minimum allowed size',
    $metadata: { httpStatusCode: 400 },
  });
  expect((await send(server, { method: 'HEAD', path: `/${Bucket}/${Key}` })).status).toBe(404);
});

test('wrong order, wrong ETag and a missing part are refused by their codes', async () => {
  const Key = 'refused';
  const UploadId = await start(Key);
  const one = await upload(Key, UploadId, 1, Buffer.from('1'));
  const two = await upload(Key, UploadId, 2, Buffer.from('2'));
  const cases = [
    [[two, one], 'InvalidPartOrder'],
    [[{ PartNumber: 1, ETag: '"0123"' }], 'InvalidPart'],
    [[{ PartNumber: 9, ETag: one.ETag }], 'InvalidPart'],
  ] as const;
  for (const [Parts, name] of cases) {
    await expect(
      s3.send(
        new CompleteMultipartUploadCommand({
          Bucket,
          Key,
          UploadId,
          MultipartUpload: { Parts: [...Parts] },
        }),
      ),
    ).rejects.toMatchObject({ name, $metadata: { httpStatusCode: 400 } });
  }
});

test('an aborted or unknown upload is NoSuchUpload', async () => {
  const Key = 'aborted';
  const UploadId = await start(Key);
  await s3.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId }));
  const path = `/${Bucket}/${Key}?uploadId=${encodeURIComponent(UploadId)}`;
  const body =
    '<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>a</ETag></Part></CompleteMultipartUpload>';
  for (const request of [
    { method: 'GET', path },
    { method: 'DELETE', path },
    { method: 'POST', path, body },
    { method: 'PUT', path: `${path}&partNumber=1`, body: 'x' },
    { method: 'GET', path: `/${Bucket}/${Key}?uploadId=nonsense` },
  ]) {
    const answer = await send(server, request);
    expect([request, answer.status, answer.code, answer.message]).toEqual([
      request,
      404,
      'NoSuchUpload',
      'The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.',
    ]);
  }
});

test('a part number outside of 1 to 10000 is InvalidArgument', async () => {
  const UploadId = await start('numbers');
  for (const number of ['0', '10001', 'x', '-1', '']) {
    const answer = await send(server, {
      method: 'PUT',
      path: `/${Bucket}/numbers?partNumber=${number}&uploadId=${encodeURIComponent(UploadId)}`,
      body: 'x',
    });
    expect([number, answer.status, answer.code]).toEqual([number, 400, 'InvalidArgument']);
  }
});

test('an upload, and a list of uploads, take no id that cannot be one', async () => {
  const UploadId = await start('numbers');
  const part = `/${Bucket}/numbers?partNumber=1&uploadId=${encodeURIComponent(UploadId)}`;
  const uploads = `/${Bucket}?uploads&key-marker=a&upload-id-marker=`;
  for (const [method, path, message] of [
    ['PUT', `${part}&versionId=`, 'This operation does not accept a version-id.'],
    ['PUT', `${part}&versionId=null`, 'This operation does not accept a version-id.'],
    ['GET', `${uploads}xyz`, 'Invalid uploadId marker'],
    ['GET', `${uploads}${UploadId.slice(1)}`, 'Invalid uploadId marker'],
  ] as const) {
    const answer = await send(server, { method, path });
    expect([path, answer.status, answer.code]).toEqual([path, 400, 'InvalidArgument']);
    expect(answer.element('Message')).toBe(message);
  }
  const known = await send(server, { method: 'GET', path: uploads + UploadId });
  expect(known.status).toBe(200);
  // S3 ignores it without a key marker.
  const ignored = await send(server, { method: 'GET', path: uploads.replace('=a&', '=&') + 'x' });
  expect(ignored.status).toBe(200);
});

test('a malformed list of parts is MalformedXML', async () => {
  const UploadId = await start('xml');
  const path = `/${Bucket}/xml?uploadId=${encodeURIComponent(UploadId)}`;
  for (const inner of [
    '',
    '<Part/>',
    '<Part><PartNumber>1</PartNumber></Part>',
    '<Part><ETag>a</ETag></Part>',
    '<Part><PartNumber>x</PartNumber><ETag>a</ETag></Part>',
    '<Part><PartNumber>1</PartNumber><ETag>a</ETag><Odd/></Part>',
    '<Part><PartNumber>1</PartNumber><ETag><b/></ETag></Part>',
    '<Part/>'.repeat(200_001),
  ]) {
    const body = `<CompleteMultipartUpload>${inner}</CompleteMultipartUpload>`;
    const answer = await send(server, { method: 'POST', path, body });
    expect([inner.slice(0, 99), answer.code]).toEqual([inner.slice(0, 99), 'MalformedXML']);
    expect(answer.status).toBe(400);
  }
  const large = await send(server, { method: 'POST', path, body: ' '.repeat(4 * MIB + 1) });
  expect([large.status, large.code]).toEqual([400, 'MaxMessageLengthExceeded']);
});

test('If-None-Match on complete lets no one be overwritten', async () => {
  const Key = 'taken';
  await s3.send(new PutObjectCommand({ Bucket, Key, Body: 'first' }));
  const UploadId = await start(Key);
  const part = await upload(Key, UploadId, 1, Buffer.from('second'));
  await expect(
    s3.send(
      new CompleteMultipartUploadCommand({
        Bucket,
        Key,
        UploadId,
        IfNoneMatch: '*',
        MultipartUpload: { Parts: [part] },
      }),
    ),
  ).rejects.toMatchObject({ name: 'PreconditionFailed', $metadata: { httpStatusCode: 412 } });
  const got = await s3.send(new GetObjectCommand({ Bucket, Key }));
  expect(await got.Body?.transformToString()).toBe('first');
});

test('If-Match on complete is 409 where the object was written since the upload began', async () => {
  const at = { Bucket, Key: 'written' };
  const put = async () => (await s3.send(new PutObjectCommand({ ...at, Body: 'same' }))).ETag;
  await put();
  const complete = async (during: () => Promise<unknown>, IfMatch: string) => {
    server.clock.advance(1);
    const { UploadId = '' } = await s3.send(new CreateMultipartUploadCommand(at));
    const MultipartUpload = { Parts: [await upload(at.Key, UploadId, 1, Buffer.from('more'))] };
    await during();
    const last = { ...at, UploadId, IfMatch, MultipartUpload };
    return await s3.send(new CompleteMultipartUploadCommand(last));
  };
  const before = (await put()) ?? '';
  const conflict = { name: 'ConditionalRequestConflict', $metadata: { httpStatusCode: 409 } };
  await expect(complete(put, before)).rejects.toMatchObject(conflict);
  // Its tags are none of its bytes.
  const Tagging = { TagSet: [{ Key: 'a', Value: 'b' }] };
  const tag = () => s3.send(new PutObjectTaggingCommand({ ...at, Tagging }));
  expect((await complete(tag, before)).ETag).toMatch(/-1"$/);
});

test('a full-object checksum of a multipart upload is checked and stored', async () => {
  const Key = 'summed';
  const { UploadId = '' } = await s3.send(
    new CreateMultipartUploadCommand({
      Bucket,
      Key,
      ChecksumAlgorithm: 'CRC64NVME',
      ChecksumType: 'FULL_OBJECT',
    }),
  );
  const part = await s3.send(
    new UploadPartCommand({
      Bucket,
      Key,
      UploadId,
      PartNumber: 1,
      Body: Buffer.from('123456789'),
      ChecksumCRC64NVME: 'rosUhgp5mIg=',
    }),
  );
  const complete = (ChecksumCRC64NVME: string) =>
    s3.send(
      new CompleteMultipartUploadCommand({
        Bucket,
        Key,
        UploadId,
        ChecksumCRC64NVME,
        ChecksumType: 'FULL_OBJECT',
        MultipartUpload: { Parts: [{ PartNumber: 1, ETag: part.ETag }] },
      }),
    );
  await expect(complete('AAAAAAAAAAA=')).rejects.toMatchObject({ name: 'BadDigest' });
  const completed = await complete('rosUhgp5mIg=');
  expect(completed.ChecksumCRC64NVME).toBe('rosUhgp5mIg=');
  expect(completed.ChecksumType).toBe('FULL_OBJECT');
});

test.each([
  { created: { ChecksumAlgorithm: 'CRC32' }, mode: 'COMPOSITE', other: 'FULL_OBJECT' },
  {
    created: { ChecksumAlgorithm: 'CRC32', ChecksumType: 'FULL_OBJECT' },
    mode: 'FULL_OBJECT',
    other: 'COMPOSITE',
  },
  { created: {}, mode: 'null', other: 'FULL_OBJECT' },
] as const)('an upload in $mode mode is not completed in another', async (asked) => {
  const at = { Bucket, Key: 'typed' };
  const { created, mode, other } = asked;
  const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ ...at, ...created }));
  const part = new UploadPartCommand({ ...at, UploadId, PartNumber: 1, Body: 'text' });
  const { ETag, ChecksumCRC32 } = await s3.send(part);
  const listed = { PartNumber: 1, ETag, ...(mode !== 'null' && { ChecksumCRC32 }) };
  const complete = { ...at, UploadId, MultipartUpload: { Parts: [listed] } };
  await expect(
    s3.send(new CompleteMultipartUploadCommand({ ...complete, ChecksumType: other })),
  ).rejects.toMatchObject({ name: 'InvalidRequest', message: expect.stringContaining(mode) });
  await s3.send(new CompleteMultipartUploadCommand(complete));
});

test.each([
  { says: 'and its type', claim: { ChecksumCRC32C: 'pzJFoA==', ChecksumType: 'COMPOSITE' } },
  { says: 'alone', claim: { ChecksumCRC32C: 'pzJFoA==' } },
  { says: 'with the number of parts', claim: { ChecksumCRC32C: 'pzJFoA==-1' } },
] as const)('a composite checksum, $says, completes an upload', async ({ claim }) => {
  const at = { Bucket, Key: 'composed' };
  const { UploadId } = await s3.send(
    new CreateMultipartUploadCommand({ ...at, ChecksumAlgorithm: 'CRC32C' }),
  );
  const part = { ...at, UploadId, PartNumber: 1, Body: '123456789', ChecksumCRC32C: '4waSgw==' };
  const { ETag, ChecksumCRC32C } = await s3.send(new UploadPartCommand(part));
  const MultipartUpload = { Parts: [{ PartNumber: 1, ETag, ChecksumCRC32C }] };
  const complete = (sums: object) =>
    s3.send(new CompleteMultipartUploadCommand({ ...at, UploadId, MultipartUpload, ...sums }));
  const wrong = [{ ChecksumCRC32C: '4waSgw==' }, { ChecksumCRC32C: 'pzJFoA==-2' }];
  for (const sums of wrong) {
    await expect(complete(sums)).rejects.toMatchObject({ name: 'BadDigest' });
  }
  const ofAll = { ChecksumCRC32C: 'pzJFoA==', ChecksumType: 'FULL_OBJECT' };
  await expect(complete(ofAll)).rejects.toMatchObject({ name: 'InvalidRequest' });
  const completed = await complete(claim);
  expect([completed.ChecksumCRC32C, completed.ChecksumType]).toEqual(['pzJFoA==-1', 'COMPOSITE']);
});

test('a part with a checksum of another algorithm than its upload is refused', async () => {
  const Key = 'mismatch';
  const { UploadId = '' } = await s3.send(
    new CreateMultipartUploadCommand({ Bucket, Key, ChecksumAlgorithm: 'SHA256' }),
  );
  await expect(
    s3.send(
      new UploadPartCommand({
        Bucket,
        Key,
        UploadId,
        PartNumber: 1,
        Body: Buffer.from('x'),
        ChecksumAlgorithm: 'CRC32',
      }),
    ),
  ).rejects.toMatchObject({
    name: 'InvalidRequest',
    message:
      'Checksum Type mismatch occurred, expected checksum Type: sha256, actual checksum Type: crc32',
  });
});

test('uploads are listed by pages, with a delimiter and markers', async () => {
  const bucket = 'uploads';
  await s3.send(new CreateBucketCommand({ Bucket: bucket }));
  for (const Key of ['a', 'b/1', 'b/2', 'c', 'c']) {
    await s3.send(new CreateMultipartUploadCommand({ Bucket: bucket, Key }));
  }
  const grouped = await s3.send(
    new ListMultipartUploadsCommand({ Bucket: bucket, Delimiter: '/' }),
  );
  expect(grouped.Uploads?.map(({ Key }) => Key)).toEqual(['a', 'c', 'c']);
  expect(grouped.CommonPrefixes).toEqual([{ Prefix: 'b/' }]);
  const seen: string[] = [];
  let KeyMarker: string | undefined;
  let UploadIdMarker: string | undefined;
  for (;;) {
    const page = await s3.send(
      new ListMultipartUploadsCommand({ Bucket: bucket, MaxUploads: 1, KeyMarker, UploadIdMarker }),
    );
    for (const { Key, UploadId } of page.Uploads ?? []) seen.push(`${Key} ${UploadId}`);
    if (!page.IsTruncated) break;
    KeyMarker = page.NextKeyMarker;
    UploadIdMarker = page.NextUploadIdMarker;
  }
  expect(seen.map((line) => line.split(' ')[0])).toEqual(['a', 'b/1', 'b/2', 'c', 'c']);
  expect(new Set(seen).size).toBe(5);
});

test('a slow complete keeps the connection alive with white space, and an error then comes under 200', async () => {
  for (const outcome of ['done', 'failed'] as const) {
    let finish: (() => void) | undefined;
    await using slow = await startTestServer({
      limits: { keepAliveMs: 5000 },
      wrap: (store) => ({
        ...store,
        completeMultipartUpload: async ({ bucket, key }) => {
          await new Promise<void>((resolve) => {
            finish = resolve;
          });
          if (outcome === 'failed') throw Object.assign(new Error('busy'), { code: 'KV_BUSY' });
          return {
            bucket,
            key,
            sizeBytes: 1,
            etag: 'e-1',
            modifiedMs: 0,
            metadata: { user: {} },
          };
        },
      }),
    });
    await slow.store.createBucket('bucket', { ownerId: OWNER_ID, region: 'us-east-1' });
    await using socket = new RawSocket(slow.port);
    const body =
      '<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>a</ETag></Part></CompleteMultipartUpload>';
    const request = { method: 'POST', path: '/bucket/key?uploadId=u', signedBody: body };
    socket.write(
      rawHead(slow, request, { 'content-length': String(body.length), expect: '100-continue' }),
    );
    await socket.until(/100 Continue/);
    socket.write(body);
    while (finish === undefined) await new Promise((resolve) => setImmediate(resolve));
    slow.clock.advance(5000);
    await socket.until(/HTTP\/1\.1 200 OK[^]*<\?xml version="1\.0" encoding="UTF-8"\?>\n[^]* /);
    slow.clock.advance(10_000);
    // Each in a chunk of its own.
    await socket.until(/( \r\n1\r\n){2} /);
    finish();
    const received = await socket.until(/0\r\n\r\n$/);
    if (outcome === 'done') expect(received).toContain('<ETag>&quot;e-1&quot;</ETag>');
    else expect(received).toContain('<Error><Code>SlowDown</Code>');
    expect(received.match(/<\?xml/g)?.length).toBe(1);
    expect(received.match(/HTTP\/1\.1 [2-5]\d\d/g)?.length).toBe(1);
    expect(slow.clock.pendingTimers).toBe(0);
  }
});
