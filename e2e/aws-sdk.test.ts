import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:http';
import { Readable } from 'node:stream';
import type { S3Client } from '@aws-sdk/client-s3';
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  paginateListObjectsV2,
  S3ServiceException,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { HoldfastProcess } from './harness/holdfast-process.ts';
import { patternBytes, sha256 } from './harness/pattern-bytes.ts';
import type { TemporaryFolder } from './harness/temporary-folder.ts';
import { temporaryFolder } from './harness/temporary-folder.ts';

const MIB = 1024 * 1024;
const Bucket = 'sdk';
let folder: TemporaryFolder;
let server: HoldfastProcess;
let client: S3Client;

beforeAll(async () => {
  folder = await temporaryFolder();
  server = await HoldfastProcess.start({
    directory: folder.path,
    arguments: ['--bucket', Bucket],
  });
  client = server.client();
});
afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

const read = async (Key: string, from: S3Client = client): Promise<Uint8Array> => {
  const answer = await from.send(new GetObjectCommand({ Bucket, Key }));
  return (await answer.Body?.transformToByteArray()) ?? new Uint8Array();
};
const refusal = async (attempt: Promise<unknown>): Promise<string> => {
  const error: unknown = await attempt.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return error instanceof S3ServiceException
    ? `${error.$metadata.httpStatusCode} ${error.name}`
    : `no refusal: ${String(error)}`;
};

test('a stream is put with the trailing checksum that the SDK adds by itself', async () => {
  const bytes = patternBytes(1, 3 * MIB + 17);
  const sent: string[] = [];
  const watched = server.client();
  watched.middlewareStack.add(
    (next) => (step) => {
      const { headers } = step.request as { headers: Record<string, string> };
      sent.push(headers['x-amz-trailer'] ?? 'none');
      return next(step);
    },
    { step: 'finalizeRequest', priority: 'low' },
  );
  await watched.send(
    new PutObjectCommand({
      Bucket,
      Key: 'stream',
      Body: Readable.from(pieces(bytes)),
      ContentLength: bytes.length,
      Metadata: { colour: 'green' },
    }),
  );
  expect(sent).toEqual(['x-amz-checksum-crc32']);
  expect(sha256(await read('stream'))).toBe(sha256(bytes));
  const head = await client.send(
    new HeadObjectCommand({ Bucket, Key: 'stream', ChecksumMode: 'ENABLED' }),
  );
  expect(head).toMatchObject({ ContentLength: bytes.length, Metadata: { colour: 'green' } });
  expect(head.ChecksumCRC32).toMatch(/^[A-Za-z0-9+/]{6}==$/);
});

test('Upload of lib-storage sends parts at once, and the whole comes back', async () => {
  const bytes = patternBytes(2, 23 * MIB);
  const upload = new Upload({
    client,
    partSize: 5 * MIB,
    queueSize: 4,
    params: { Bucket, Key: 'upload', Body: Readable.from(pieces(bytes)) },
  });
  const done = await upload.done();
  expect(done.ETag).toMatch(/-5"$/);
  expect(sha256(await read('upload'))).toBe(sha256(bytes));
  const part = await client.send(new GetObjectCommand({ Bucket, Key: 'upload', PartNumber: 5 }));
  expect(part.ContentLength).toBe(3 * MIB);
  await part.Body?.transformToWebStream().cancel();
});

test('an upload that is given up leaves no object', async () => {
  const upload = new Upload({
    client,
    partSize: 5 * MIB,
    queueSize: 1,
    params: { Bucket, Key: 'given-up', Body: Readable.from(pieces(patternBytes(3, 30 * MIB))) },
  });
  upload.on('httpUploadProgress', () => void upload.abort());
  await expect(upload.done()).rejects.toThrow('aborted');
  expect(await refusal(read('given-up'))).toBe('404 NoSuchKey');
});

test('a part of 4 MiB that is not the last is refused, and nothing is stored', async () => {
  const Key = 'small-part';
  const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key }));
  const Parts = [];
  for (const PartNumber of [1, 2]) {
    const Body = patternBytes(PartNumber, 4 * MIB);
    const part = await client.send(
      new UploadPartCommand({ Bucket, Key, UploadId, PartNumber, Body }),
    );
    Parts.push({ PartNumber, ETag: part.ETag });
  }
  const complete = new CompleteMultipartUploadCommand({
    Bucket,
    Key,
    UploadId,
    MultipartUpload: { Parts },
  });
  expect(await refusal(client.send(complete))).toBe('400 EntityTooSmall');
  expect(await refusal(read(Key))).toBe('404 NoSuchKey');
});

test('of 32 racers on If-None-Match: * exactly one wins, every time', async () => {
  for (let round = 0; round < 5; round++) {
    const Key = `race-${round}`;
    const results = await Promise.all(
      Array.from({ length: 32 }, (_, racer) =>
        server
          .client()
          .send(new PutObjectCommand({ Bucket, Key, Body: `racer ${racer}`, IfNoneMatch: '*' }))
          .then(
            () => `won by racer ${racer}`,
            (error: S3ServiceException) => String(error.$metadata.httpStatusCode),
          ),
      ),
    );
    const winners = results.filter((result) => result.startsWith('won'));
    expect(winners).toHaveLength(1);
    expect(results.filter((result) => result === '412' || result === '409')).toHaveLength(31);
    const content = Buffer.from(await read(Key)).toString();
    expect(`won by ${content}`).toBe(winners[0]);
  }
});

test('of 32 racers on If-Match exactly one replaces the object', async () => {
  const Key = 'swap';
  const { ETag } = await client.send(new PutObjectCommand({ Bucket, Key, Body: 'old' }));
  const results = await Promise.all(
    Array.from({ length: 32 }, (_, racer) =>
      client.send(new PutObjectCommand({ Bucket, Key, Body: `new ${racer}`, IfMatch: ETag })).then(
        () => `new ${racer}`,
        () => 'lost',
      ),
    ),
  );
  const winners = results.filter((result) => result !== 'lost');
  expect(winners).toHaveLength(1);
  expect(Buffer.from(await read(Key)).toString()).toBe(winners[0]);
});

test('conditions on reads, copies and deletes are kept', async () => {
  const Key = 'conditional';
  const { ETag } = await client.send(new PutObjectCommand({ Bucket, Key, Body: 'x' }));
  const stale = '"00000000000000000000000000000000"';
  const get = (more: object) => client.send(new GetObjectCommand({ Bucket, Key, ...more }));
  expect(await refusal(get({ IfMatch: stale }))).toBe('412 PreconditionFailed');
  expect(await refusal(get({ IfNoneMatch: ETag }))).toMatch(/^304/);
  const copy = { Bucket, Key: 'copy', CopySource: `${Bucket}/${Key}` };
  expect(
    await refusal(client.send(new CopyObjectCommand({ ...copy, CopySourceIfMatch: stale }))),
  ).toBe('412 PreconditionFailed');
  await client.send(new CopyObjectCommand(copy));
  expect(Buffer.from(await read('copy')).toString()).toBe('x');
  expect(await refusal(client.send(new DeleteObjectCommand({ Bucket, Key, IfMatch: stale })))).toBe(
    '412 PreconditionFailed',
  );
  await client.send(new DeleteObjectCommand({ Bucket, Key, IfMatch: ETag }));
  expect(await refusal(read(Key))).toBe('404 NoSuchKey');
});

test('presigned addresses put and get without the SDK, until they are changed', async () => {
  const command = new PutObjectCommand({ Bucket, Key: 'presigned' });
  const putUrl = await getSignedUrl(client, command, { expiresIn: 60 });
  const put = await fetch(putUrl, { method: 'PUT', body: 'by address' });
  expect(put.status).toBe(200);
  const getUrl = await getSignedUrl(client, new GetObjectCommand({ Bucket, Key: 'presigned' }));
  expect(await (await fetch(getUrl)).text()).toBe('by address');
  const other = await fetch(getUrl.replace('/presigned', '/upload'));
  expect(other.status).toBe(403);
  expect(await other.text()).toContain('<Code>SignatureDoesNotMatch</Code>');
});

test('pages of a listing hold every key once, in order, with common prefixes', async () => {
  const keys = Array.from({ length: 250 }, (_, at) => `list/${at % 5}/${String(at).padStart(4)}`);
  await Promise.all(
    keys.map((Key) => client.send(new PutObjectCommand({ Bucket, Key, Body: 'x' }))),
  );
  const found: string[] = [];
  const input = { Bucket, Prefix: 'list/', MaxKeys: 33 };
  for await (const page of paginateListObjectsV2({ client }, input)) {
    expect(page.KeyCount).toBeLessThanOrEqual(33);
    found.push(...(page.Contents ?? []).map(({ Key }) => Key ?? ''));
  }
  expect(found).toEqual(keys.toSorted());
  const grouped = await client.send(
    new ListObjectsV2Command({ Bucket, Prefix: 'list/', Delimiter: '/' }),
  );
  expect(grouped.CommonPrefixes?.map(({ Prefix }) => Prefix)).toEqual(
    ['0', '1', '2', '3', '4'].map((group) => `list/${group}/`),
  );
  const removed = await client.send(
    new DeleteObjectsCommand({ Bucket, Delete: { Objects: keys.map((Key) => ({ Key })) } }),
  );
  expect(removed.Deleted).toHaveLength(250);
});

test('ranges give exactly their bytes', async () => {
  const bytes = patternBytes(5, 2 * MIB + 5);
  await client.send(new PutObjectCommand({ Bucket, Key: 'ranges', Body: bytes }));
  const cases: [string, number, number][] = [
    ['bytes=0-0', 0, 1],
    ['bytes=1048570-1048590', 1_048_570, 1_048_591],
    ['bytes=2097150-', 2_097_150, bytes.length],
    ['bytes=-7', bytes.length - 7, bytes.length],
  ];
  for (const [Range, from, to] of cases) {
    const answer = await client.send(new GetObjectCommand({ Bucket, Key: 'ranges', Range }));
    const body = (await answer.Body?.transformToByteArray()) ?? new Uint8Array();
    expect(sha256(body), Range).toBe(sha256(bytes.subarray(from, to)));
  }
});

test('wrong keys are refused in the words of S3', async () => {
  const attempt = (accessKeyId: string, secretAccessKey: string) =>
    refusal(read('stream', server.client({ credentials: { accessKeyId, secretAccessKey } })));
  expect(await attempt('nobody', 'knows')).toBe('403 InvalidAccessKeyId');
  expect(await attempt('e2e-access-key', 'wrong')).toBe('403 SignatureDoesNotMatch');
});

test('a body shorter than declared stores nothing', async () => {
  const command = new PutObjectCommand({ Bucket, Key: 'short' });
  const url = new URL(await getSignedUrl(client, command));
  const outgoing = request(url, { method: 'PUT', headers: { 'content-length': '1000' } });
  outgoing.on('error', () => undefined);
  outgoing.write('only this');
  await once(outgoing, 'socket');
  outgoing.socket?.once('connect', () => outgoing.socket?.end());
  const answered = await Promise.race([
    once(outgoing, 'response').then(([message]) => (message as IncomingMessage).statusCode),
    once(outgoing, 'close').then(() => 'cut'),
  ]);
  expect(answered).not.toBe(200);
  expect(await refusal(read('short'))).toBe('404 NoSuchKey');
});

function* pieces(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536);
}
