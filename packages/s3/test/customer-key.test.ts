/** SSE-C: objects under a key of the customer's, as the AWS SDK and raw requests ask for them. */
import { createHash, randomBytes } from 'node:crypto';
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  GetObjectAttributesCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isLoopback } from '../src/encryption/customer-key.ts';
import { hideSecrets } from '../src/secret-headers.ts';
import { type RawAnswer, send } from './raw-client.ts';
import { startTestServer, type TestServer } from './test-server.ts';

const MIB = 1024 * 1024;
const Bucket = 'bucket';
const PREFIX = 'x-amz-server-side-encryption-customer-';

interface Key {
  readonly text: string;
  readonly md5: string;
  /** As the SDK names them. */
  readonly args: {
    readonly SSECustomerAlgorithm: string;
    readonly SSECustomerKey: string;
    readonly SSECustomerKeyMD5: string;
  };
  readonly source: {
    readonly CopySourceSSECustomerAlgorithm: string;
    readonly CopySourceSSECustomerKey: string;
    readonly CopySourceSSECustomerKeyMD5: string;
  };
  readonly headers: Readonly<Record<string, string>>;
}

function newKey(): Key {
  const bytes = randomBytes(32);
  const text = bytes.toString('base64');
  const md5 = createHash('md5').update(bytes).digest('base64');
  return {
    text,
    md5,
    args: { SSECustomerAlgorithm: 'AES256', SSECustomerKey: text, SSECustomerKeyMD5: md5 },
    source: {
      CopySourceSSECustomerAlgorithm: 'AES256',
      CopySourceSSECustomerKey: text,
      CopySourceSSECustomerKeyMD5: md5,
    },
    headers: {
      [`${PREFIX}algorithm`]: 'AES256',
      [`${PREFIX}key`]: text,
      [`${PREFIX}key-md5`]: md5,
    },
  };
}

const A = newKey();
const B = newKey();

let server: TestServer;
let s3: S3Client;
beforeAll(async () => {
  server = await startTestServer();
  s3 = server.client();
  await s3.send(new CreateBucketCommand({ Bucket }));
});
afterAll(() => server[Symbol.asyncDispose]());

async function bytesOf(Key: string, more: object = {}): Promise<Buffer> {
  const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key, ...more }));
  return Buffer.from((await Body?.transformToByteArray()) ?? []);
}

/** `status code` of a request that is refused. */
async function refused(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    const { name, $metadata } = error as {
      name: string;
      $metadata?: { httpStatusCode?: number };
    };
    return `${$metadata?.httpStatusCode} ${name}`;
  }
  return 'not refused';
}

test('a put and its reads say which key encrypts, and the ETag is not the MD5', async () => {
  for (const body of [Buffer.from('hello'), randomBytes(3 * MIB + 5)]) {
    const put = await s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: body, ...A.args }));
    const shown = { SSECustomerAlgorithm: 'AES256', SSECustomerKeyMD5: A.md5 };
    expect(put).toMatchObject(shown);
    expect(put.ETag).not.toBe(`"${createHash('md5').update(body).digest('hex')}"`);
    const head = await s3.send(new HeadObjectCommand({ Bucket, Key: 'k', ...A.args }));
    expect(head).toMatchObject({ ...shown, ContentLength: body.length, ETag: put.ETag });
    const got = await s3.send(new GetObjectCommand({ Bucket, Key: 'k', ...A.args }));
    expect(got).toMatchObject(shown);
    expect(Buffer.from((await got.Body?.transformToByteArray()) ?? []).equals(body)).toBe(true);
    const list = await s3.send(new ListObjectsV2Command({ Bucket, Prefix: 'k' }));
    expect(list.Contents).toMatchObject([{ Size: body.length, ETag: put.ETag }]);
  }
});

test('ranges of a large object are read, over the edges of chunks too', async () => {
  const body = randomBytes(2 * MIB + 100);
  await s3.send(new PutObjectCommand({ Bucket, Key: 'ranges', Body: body, ...A.args }));
  for (const [first, last] of [
    [0, 0],
    [MIB - 20, MIB + 20],
    [MIB - 16, MIB - 16],
    [5, 2 * MIB + 99],
  ] as const) {
    const range = await bytesOf('ranges', { ...A.args, Range: `bytes=${first}-${last}` });
    expect(range.equals(body.subarray(first, last + 1))).toBe(true);
  }
});

test('a read without the key or with a needless one is 400, with another 403', async () => {
  await s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'x', ...A.args }));
  await s3.send(new PutObjectCommand({ Bucket, Key: 'plain', Body: 'x' }));
  expect(await refused(bytesOf('k'))).toBe('400 InvalidRequest');
  expect(await refused(bytesOf('k', B.args))).toBe('403 AccessDenied');
  expect(await refused(bytesOf('plain', A.args))).toBe('400 InvalidRequest');
  expect(await refused(s3.send(new HeadObjectCommand({ Bucket, Key: 'k' })))).toMatch(/^400 /);
  expect(await refused(s3.send(new HeadObjectCommand({ Bucket, Key: 'k', ...B.args })))).toMatch(
    /^403 /,
  );
  const attributes = { Bucket, Key: 'k', ObjectAttributes: ['ETag', 'ObjectSize'] } as const;
  const ask = (more: object) =>
    s3.send(new GetObjectAttributesCommand({ ...attributes, ...more } as never));
  expect(await refused(ask({}))).toBe('400 InvalidRequest');
  expect(await ask(A.args)).toMatchObject({ ObjectSize: 1 });
  // A part that is not there is refused as such, with the key or without.
  expect(await refused(bytesOf('k', { PartNumber: 2 }))).toBe('416 InvalidPartNumber');
  // What is not the bytes needs no key.
  await s3.send(new GetObjectTaggingCommand({ Bucket, Key: 'k' }));
});

describe('headers that do not go together are refused', () => {
  const put = (headers: Readonly<Record<string, string>>): Promise<RawAnswer> =>
    send(server, { method: 'PUT', path: '/bucket/wrong', headers, body: 'x' });
  const { [`${PREFIX}key-md5`]: _md5, ...withoutMd5 } = A.headers;
  const { [`${PREFIX}algorithm`]: _algorithm, ...withoutAlgorithm } = A.headers;

  test.each([
    ['no MD5 of the key', withoutMd5, 'InvalidArgument', 'the client calculated MD5'],
    ['no algorithm', withoutAlgorithm, 'InvalidArgument', 'a valid encryption algorithm'],
    [
      'an algorithm alone',
      { [`${PREFIX}algorithm`]: 'AES256' },
      'InvalidArgument',
      'an appropriate secret key',
    ],
    [
      'another algorithm',
      { ...A.headers, [`${PREFIX}algorithm`]: 'AES128' },
      'InvalidEncryptionAlgorithmError',
      'Supported value: AES256',
    ],
    [
      'the MD5 of another key',
      { ...A.headers, [`${PREFIX}key-md5`]: B.md5 },
      'InvalidArgument',
      'did not match the hash',
    ],
    [
      'a short key',
      { ...A.headers, [`${PREFIX}key`]: randomBytes(16).toString('base64') },
      'InvalidArgument',
      'invalid for the specified algorithm',
    ],
    [
      'a key that is not base64',
      { ...A.headers, [`${PREFIX}key`]: `${A.text.slice(0, -2)}!=` },
      'InvalidArgument',
      'invalid for the specified algorithm',
    ],
  ] as const)('%s', async (_name, headers, code, message) => {
    const answer = await put(headers as Readonly<Record<string, string>>);
    expect([answer.status, answer.code]).toEqual([400, code]);
    expect(answer.message).toContain(message);
    expect(await refused(bytesOf('wrong'))).toBe('404 NoSuchKey');
  });
});

test('a multipart upload that names a checksum wants its key with every part and at its end', async () => {
  const address = { Bucket, Key: 'parts' };
  const created = await s3.send(
    new CreateMultipartUploadCommand({ ...address, ChecksumAlgorithm: 'CRC32', ...A.args }),
  );
  expect(created.SSECustomerKeyMD5).toBe(A.md5);
  const { UploadId } = created;
  const bodies = [randomBytes(5 * MIB + 1), randomBytes(1000)] as const;
  const part = (PartNumber: number, more: object) =>
    s3.send(
      new UploadPartCommand({
        ...address,
        UploadId,
        PartNumber,
        Body: PartNumber === 1 ? bodies[0] : bodies[1],
        ...more,
      }),
    );
  expect(await refused(part(2, {}))).toBe('400 InvalidRequest');
  expect(await refused(part(2, B.args))).toBe('400 InvalidRequest');
  const Parts: object[] = [];
  for (const PartNumber of [1, 2]) {
    const { ETag, ChecksumCRC32, SSECustomerKeyMD5 } = await part(PartNumber, A.args);
    expect(SSECustomerKeyMD5).toBe(A.md5);
    Parts.push({ PartNumber, ETag, ChecksumCRC32 });
  }
  await s3.send(new PutObjectCommand({ Bucket, Key: 'from', Body: 'abcdef', ...B.args }));
  const copy = (more: object) =>
    s3.send(
      new UploadPartCopyCommand({
        ...address,
        UploadId,
        PartNumber: 3,
        CopySource: `${Bucket}/from`,
        ...more,
      }),
    );
  expect(await refused(copy(B.source))).toBe('400 InvalidRequest');
  expect(await refused(copy(A.args))).toBe('400 InvalidRequest');
  const copied = await copy({ ...A.args, ...B.source });
  expect(copied.SSECustomerKeyMD5).toBe(A.md5);
  const complete = (more: object) =>
    s3.send(
      new CompleteMultipartUploadCommand({
        ...address,
        UploadId,
        MultipartUpload: { Parts },
        ...more,
      }),
    );
  expect(await refused(complete({}))).toBe('400 InvalidRequest');
  expect(await refused(complete(B.args))).toBe('400 InvalidRequest');
  await complete(A.args);
  expect((await bytesOf('parts', A.args)).equals(Buffer.concat(bodies))).toBe(true);
  const second = await bytesOf('parts', { ...A.args, PartNumber: 2 });
  expect(second.equals(bodies[1])).toBe(true);
  const edge = await bytesOf('parts', { ...A.args, Range: `bytes=${5 * MIB - 3}-${5 * MIB + 3}` });
  expect(edge.equals(Buffer.concat(bodies).subarray(5 * MIB - 3, 5 * MIB + 4))).toBe(true);
});

test('a multipart upload that names no checksum is completed without its key', async () => {
  const address = { Bucket, Key: 'unsummed' };
  const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ ...address, ...A.args }));
  const part = { ...address, UploadId, PartNumber: 1, Body: 'abcdef', ...A.args };
  const { ETag } = await s3.send(new UploadPartCommand(part));
  const MultipartUpload = { Parts: [{ PartNumber: 1, ETag }] };
  const complete = (more: object) =>
    s3.send(new CompleteMultipartUploadCommand({ ...address, UploadId, MultipartUpload, ...more }));
  expect(await refused(complete(B.args))).toBe('400 InvalidRequest');
  await complete({});
  expect((await bytesOf('unsummed', A.args)).toString()).toBe('abcdef');
});

test('copies take the key off, put one on, and change it', async () => {
  const Body = randomBytes(2000);
  await s3.send(new PutObjectCommand({ Bucket, Key: 'a', Body, ...A.args }));
  const copy = (Key: string, more: object) =>
    s3.send(new CopyObjectCommand({ Bucket, Key, CopySource: `${Bucket}/a`, ...more }));
  expect(await refused(copy('b', B.args))).toBe('400 InvalidRequest');
  expect(await refused(copy('b', { ...B.args, ...B.source }))).toBe('403 AccessDenied');
  expect(await copy('b', { ...B.args, ...A.source })).toMatchObject({ SSECustomerKeyMD5: B.md5 });
  expect((await bytesOf('b', B.args)).equals(Body)).toBe(true);
  expect((await copy('plain', A.source)).SSECustomerAlgorithm).toBeUndefined();
  expect((await bytesOf('plain')).equals(Body)).toBe(true);
  expect((await copy('a', A.source)).SSECustomerAlgorithm).toBeUndefined();
  expect((await bytesOf('a')).equals(Body)).toBe(true);
  expect(await refused(copy('a', A.source))).toBe('400 InvalidRequest');
});

test('a form puts an object under a key', async () => {
  const open = await startTestServer({ bucketAcls: true });
  try {
    const client = open.client();
    await client.send(new CreateBucketCommand({ Bucket: 'open', ACL: 'public-read-write' }));
    const form = new FormData();
    for (const [name, value] of Object.entries({ key: 'k', acl: 'public-read', ...A.headers })) {
      form.append(name, value);
    }
    form.append('file', new Blob(['content']));
    const answer = await fetch(`${open.endpoint}/open`, { method: 'POST', body: form });
    expect(answer.status).toBe(204);
    expect(answer.headers.get(`${PREFIX}key-md5`)).toBe(A.md5);
    const got = await client.send(new GetObjectCommand({ Bucket: 'open', Key: 'k', ...A.args }));
    expect(await got.Body?.transformToString()).toBe('content');
  } finally {
    await open[Symbol.asyncDispose]();
  }
});

test('a key from another machine over HTTP is refused, unless the operator allows it', async () => {
  for (const customerKeysOverHttp of [false, true]) {
    const far = await startTestServer({ customerKeysOverHttp });
    try {
      far.server.on('connection', (socket) =>
        Object.defineProperty(socket, 'remoteAddress', { value: '192.0.2.7' }),
      );
      await send(far, { method: 'PUT', path: '/bucket' });
      const answer = await send(far, {
        method: 'PUT',
        path: '/bucket/k',
        headers: A.headers,
        body: 'x',
      });
      expect(answer.status).toBe(customerKeysOverHttp ? 200 : 400);
      if (!customerKeysOverHttp) expect(answer.message).toContain('over a secure connection');
    } finally {
      await far[Symbol.asyncDispose]();
    }
  }
});

test.each([
  ['127.0.0.1', true],
  ['127.8.9.1', true],
  ['::1', true],
  ['::ffff:127.0.0.1', true],
  ['192.0.2.7', false],
  ['::ffff:192.0.2.127', false],
  ['1127.0.0.1', false],
  ['2001:db8::1', false],
  [undefined, false],
])('%s is of this machine: %s', (address, expected) => {
  expect(isLoopback(address)).toBe(expected);
});

test('no key is in a log, in a record of a request, or in an error', async () => {
  const secret = newKey();
  const answers: RawAnswer[] = [];
  const requests = [
    { path: '/bucket/k', headers: secret.headers, secretKey: 'wrong' },
    { path: '/bucket/k', headers: { ...secret.headers, [`${PREFIX}key-md5`]: A.md5 } },
    { path: '/bucket/k', headers: { ...secret.headers, [`${PREFIX}algorithm`]: 'AES1' } },
    { path: '/nobucket/k', headers: secret.headers },
    {
      path: `/bucket/k?${PREFIX}key=${encodeURIComponent(secret.text)}`,
      secretKey: 'wrong',
    },
    {
      path: '/bucket/k',
      headers: {
        'x-amz-copy-source': '/bucket/none',
        [`x-amz-copy-source-server-side-encryption-customer-key`]: secret.text,
      },
    },
  ];
  for (const request of requests) {
    answers.push(await send(server, { method: 'PUT', body: 'x', ...request }));
  }
  expect(answers.map(({ status }) => status)).toEqual([403, 400, 400, 404, 403, 400]);
  const seen = JSON.stringify([
    answers.map(({ body, headers }) => [body, headers]),
    server.logged,
    server.warned,
    server.records,
  ]);
  for (const needle of [secret.text, encodeURIComponent(secret.text)]) {
    expect(seen).not.toContain(needle);
    expect(seen).not.toContain(spacedHex(needle));
  }
  expect(seen).toContain('(not shown)');
});

test('hidden are the keys, and nothing else', () => {
  const text = `a:1\n${PREFIX}key:${A.text}\n${PREFIX}key-md5:${A.md5}\nhost:x`;
  expect(hideSecrets(text)).toBe(
    `a:1\n${PREFIX}key:(not shown)\n${PREFIX}key-md5:${A.md5}\nhost:x`,
  );
});

function spacedHex(text: string): string {
  return Buffer.from(text, 'latin1')
    .toString('hex')
    .replace(/..(?=.)/g, '$& ');
}
