/** SSE-S3 and SSE-KMS: encryption with keys of the server, asked for by requests, forms and buckets. */
import { createHash, randomBytes } from 'node:crypto';
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteBucketEncryptionCommand,
  GetBucketEncryptionCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutBucketEncryptionCommand,
  PutBucketPolicyCommand,
  PutObjectCommand,
  type S3Client,
  type ServerSideEncryptionRule,
  UploadPartCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { newestChunk } from './newest-chunk.ts';
import { send } from './raw-client.ts';
import { startTestServer, type TestServer } from './test-server.ts';

const MIB = 1024 * 1024;
const METHOD = 'x-amz-server-side-encryption';
const AES = { ServerSideEncryption: 'AES256' } as const;
const KMS = { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: 'one' } as const;
const KEY = randomBytes(32);
const CUSTOMER = {
  SSECustomerAlgorithm: 'AES256',
  SSECustomerKey: KEY.toString('base64'),
  SSECustomerKeyMD5: createHash('md5').update(KEY).digest('base64'),
} as const;

let server: TestServer;
let s3: S3Client;
let buckets = 0;
beforeAll(async () => {
  server = await startTestServer();
  s3 = server.client();
});
afterAll(() => server[Symbol.asyncDispose]());

async function newBucket(rule?: ServerSideEncryptionRule): Promise<string> {
  const Bucket = `bucket-${++buckets}`;
  await s3.send(new CreateBucketCommand({ Bucket }));
  if (rule !== undefined) await setDefault(Bucket, rule);
  return Bucket;
}

async function setDefault(Bucket: string, rule: ServerSideEncryptionRule): Promise<void> {
  const ServerSideEncryptionConfiguration = { Rules: [rule] };
  await s3.send(new PutBucketEncryptionCommand({ Bucket, ServerSideEncryptionConfiguration }));
}

async function textOf(Bucket: string, Key: string, more: object = {}): Promise<string> {
  const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key, ...more }));
  return (await Body?.transformToString()) ?? '';
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

test('put, get, head and copy say how the object is encrypted; its ETag is the MD5 for SSE-S3 only', async () => {
  const Bucket = await newBucket();
  const etag = `"${createHash('md5').update('hello').digest('hex')}"`;
  for (const kind of [AES, KMS]) {
    const put = await s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'hello', ...kind }));
    expect(put).toMatchObject(kind);
    expect(put.ETag === etag).toBe(kind === AES);
    const got = await s3.send(new GetObjectCommand({ Bucket, Key: 'k' }));
    expect(got).toMatchObject({ ...kind, ETag: put.ETag });
    expect(await got.Body?.transformToString()).toBe('hello');
    expect(await s3.send(new HeadObjectCommand({ Bucket, Key: 'k' }))).toMatchObject(kind);
    const copy = new CopyObjectCommand({ Bucket, Key: 'c', CopySource: `${Bucket}/k`, ...kind });
    expect(await s3.send(copy)).toMatchObject(kind);
    expect(await textOf(Bucket, 'c')).toBe('hello');
    // Without a word the copy is as its bucket says, not as its source.
    const plain = new CopyObjectCommand({ Bucket, Key: 'p', CopySource: `${Bucket}/k` });
    expect((await s3.send(plain)).ServerSideEncryption).toBeUndefined();
  }
});

test('every answer of a multipart upload says how it is encrypted, and parts need not', async () => {
  const Bucket = await newBucket();
  await s3.send(new PutObjectCommand({ Bucket, Key: 'from', Body: 'abcdef', ...CUSTOMER }));
  const source = {
    CopySourceSSECustomerAlgorithm: CUSTOMER.SSECustomerAlgorithm,
    CopySourceSSECustomerKey: CUSTOMER.SSECustomerKey,
    CopySourceSSECustomerKeyMD5: CUSTOMER.SSECustomerKeyMD5,
  };
  for (const kind of [AES, KMS]) {
    const address = { Bucket, Key: 'parts' };
    const created = await s3.send(new CreateMultipartUploadCommand({ ...address, ...kind }));
    expect(created).toMatchObject(kind);
    const { UploadId } = created;
    const first = await s3.send(
      new UploadPartCommand({ ...address, UploadId, PartNumber: 1, Body: Buffer.alloc(5 * MIB) }),
    );
    expect(first).toMatchObject(kind);
    const CopySource = `${Bucket}/from`;
    const second = await s3.send(
      new UploadPartCopyCommand({ ...address, UploadId, PartNumber: 2, CopySource, ...source }),
    );
    expect(second).toMatchObject(kind);
    // Some clients repeat the headers of the upload with each part: they change nothing.
    const third = await send(server, {
      method: 'PUT',
      path: `/${Bucket}/parts?partNumber=3&uploadId=${UploadId}`,
      headers: { [METHOD]: 'aws:kms', [`${METHOD}-aws-kms-key-id`]: 'nobody' },
      body: 'third',
    });
    expect(third.status).toBe(200);
    const Parts = [
      { PartNumber: 1, ETag: first.ETag },
      { PartNumber: 2, ETag: second.CopyPartResult?.ETag },
    ];
    const complete = { ...address, UploadId, MultipartUpload: { Parts } };
    expect(await s3.send(new CompleteMultipartUploadCommand(complete))).toMatchObject(kind);
    expect(await textOf(Bucket, 'parts', { Range: `bytes=${5 * MIB}-` })).toBe('abcdef');
  }
});

test.each([
  ['both a method and a key', { ...AES, ...CUSTOMER }, '400 InvalidArgument'],
  ['aws:kms and a key', { ...KMS, ...CUSTOMER }, '400 InvalidArgument'],
  ['AES256 with a key id', { ...AES, SSEKMSKeyId: 'one' }, '400 InvalidArgument'],
  ['a key id without a method', { SSEKMSKeyId: 'one' }, '400 InvalidArgument'],
  ['another method', { ServerSideEncryption: 'aes:kms' }, '400 InvalidArgument'],
  ['an unknown key', { ...KMS, SSEKMSKeyId: 'nobody' }, '400 KMS.NotFoundException'],
  [
    'no key, where there is no default key',
    { ...KMS, SSEKMSKeyId: undefined },
    '400 KMS.NotFoundException',
  ],
  ['dual-layer encryption', { ServerSideEncryption: 'aws:kms:dsse' }, '501 NotImplemented'],
  ['an encryption context', { ...KMS, SSEKMSEncryptionContext: 'e30=' }, '501 NotImplemented'],
])('a put is refused that asks for %s', async (_name, headers, expected) => {
  const Bucket = await newBucket();
  const command = { Bucket, Key: 'k', Body: 'x', ...headers } as never;
  expect(await refused(s3.send(new PutObjectCommand(command)))).toBe(expected);
  expect(await refused(textOf(Bucket, 'k'))).toBe('404 NoSuchKey');
});

test('the unknown key is named as AWS names it, and dual-layer encryption is refused with the reason', async () => {
  const Bucket = await newBucket();
  const put = (headers: Readonly<Record<string, string>>) =>
    send(server, { method: 'PUT', path: `/${Bucket}/k`, headers, body: 'x' });
  const id = '134f2428-cec1-4b25-a1ae-9048164dba47';
  for (const [keyId, message] of [
    ['nobody', "Invalid keyId 'nobody'"],
    [id, `Key '${id}' does not exist`],
    [`arn:aws:kms:us-east-1:1:key/${id}`, `Key 'arn:aws:kms:us-east-1:1:key/${id}' does not exist`],
  ] as const) {
    const unknown = await put({ [METHOD]: 'aws:kms', [`${METHOD}-aws-kms-key-id`]: keyId });
    expect([unknown.code, unknown.message]).toEqual(['KMS.NotFoundException', message]);
  }
  expect((await put({ [METHOD]: 'aws:kms:dsse' })).message).toContain('second layer');
});

test('a read that says how its object is encrypted is refused', async () => {
  const Bucket = await newBucket();
  await s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'x', ...AES }));
  for (const method of ['GET', 'HEAD']) {
    const headers = { [METHOD]: 'AES256' };
    const answer = await send(server, { method, path: `/${Bucket}/k`, headers });
    expect(answer.status).toBe(400);
    if (method === 'GET') expect(answer.code).toBe('InvalidArgument');
  }
});

test('the default of a bucket is what was put, and there is none before and after', async () => {
  const Bucket = await newBucket();
  const get = () => s3.send(new GetBucketEncryptionCommand({ Bucket }));
  const none = '404 ServerSideEncryptionConfigurationNotFoundError';
  expect(await refused(get())).toBe(none);
  const rules: ServerSideEncryptionRule[] = [
    { ApplyServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' }, BucketKeyEnabled: false },
    {
      ApplyServerSideEncryptionByDefault: { SSEAlgorithm: 'aws:kms', KMSMasterKeyID: 'one' },
      BucketKeyEnabled: true,
    },
  ];
  for (const rule of rules) {
    await setDefault(Bucket, rule);
    expect((await get()).ServerSideEncryptionConfiguration?.Rules).toEqual([rule]);
  }
  await s3.send(new DeleteBucketEncryptionCommand({ Bucket }));
  await s3.send(new DeleteBucketEncryptionCommand({ Bucket }));
  expect(await refused(get())).toBe(none);
});

test.each([
  ['no rule', '', 'MalformedXML', 400],
  ['two rules', '<Rule/><Rule/>', 'MalformedXML', 400],
  ['an unknown algorithm', byDefault('<SSEAlgorithm>rot13</SSEAlgorithm>'), 'MalformedXML', 400],
  [
    'a key with AES256',
    byDefault('<SSEAlgorithm>AES256</SSEAlgorithm><KMSMasterKeyID>one</KMSMasterKeyID>'),
    'InvalidArgument',
    400,
  ],
  ['dual-layer', byDefault('<SSEAlgorithm>aws:kms:dsse</SSEAlgorithm>'), 'NotImplemented', 501],
  [
    'a bucket key of maybe',
    '<Rule><BucketKeyEnabled>maybe</BucketKeyEnabled></Rule>',
    'MalformedXML',
    400,
  ],
])('a bucket default is refused that has %s', async (_name, inner, code, status) => {
  const Bucket = await newBucket();
  const body = `<ServerSideEncryptionConfiguration>${inner}</ServerSideEncryptionConfiguration>`;
  const answer = await send(server, { method: 'PUT', path: `/${Bucket}?encryption`, body });
  expect([answer.status, answer.code]).toEqual([status, code]);
});

function byDefault(inner: string): string {
  return `<Rule><ApplyServerSideEncryptionByDefault>${inner}</ApplyServerSideEncryptionByDefault></Rule>`;
}

test('what comes without a word is encrypted as the bucket says: puts, copies, uploads and forms', async () => {
  const kinds = [
    [AES, { ApplyServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' } }],
    [
      { ...KMS, BucketKeyEnabled: true },
      {
        ApplyServerSideEncryptionByDefault: { SSEAlgorithm: 'aws:kms', KMSMasterKeyID: 'one' },
        BucketKeyEnabled: true,
      },
    ],
  ] as const;
  for (const [shown, rule] of kinds) {
    const Bucket = await newBucket(rule);
    expect(await s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'text' }))).toMatchObject(
      shown,
    );
    const copy = new CopyObjectCommand({ Bucket, Key: 'copy', CopySource: `${Bucket}/k` });
    expect(await s3.send(copy)).toMatchObject(shown);
    const create = new CreateMultipartUploadCommand({ Bucket, Key: 'm' });
    expect(await s3.send(create)).toMatchObject(shown);
    await s3.send(new PutBucketPolicyCommand({ Bucket, Policy: everybodyMayPut(Bucket) }));
    const form = new FormData();
    form.append('key', 'form');
    form.append('file', new Blob(['text']));
    const answer = await fetch(`${server.endpoint}/${Bucket}`, { method: 'POST', body: form });
    expect([answer.status, answer.headers.get(METHOD)]).toEqual([204, shown.ServerSideEncryption]);
    for (const Key of ['k', 'copy', 'form']) {
      expect(await s3.send(new HeadObjectCommand({ Bucket, Key }))).toMatchObject(shown);
      expect(await textOf(Bucket, Key)).toBe('text');
    }
    // What a request asks for counts more.
    const own = new PutObjectCommand({ Bucket, Key: 'own', Body: 'text', ...CUSTOMER });
    expect((await s3.send(own)).ServerSideEncryption).toBeUndefined();
    expect(await textOf(Bucket, 'own', CUSTOMER)).toBe('text');
  }
});

function everybodyMayPut(Bucket: string): string {
  const Resource = `arn:aws:s3:::${Bucket}/*`;
  const statement = { Effect: 'Allow', Principal: '*', Action: 's3:PutObject', Resource };
  return JSON.stringify({ Version: '2012-10-17', Statement: [statement] });
}

test('a bucket that blocks keys of customers takes none', async () => {
  const Bucket = await newBucket();
  const body = (type: string): string =>
    `<ServerSideEncryptionConfiguration><Rule><BlockedEncryptionTypes><EncryptionType>${type}</EncryptionType></BlockedEncryptionTypes></Rule></ServerSideEncryptionConfiguration>`;
  const put = () => s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'x', ...CUSTOMER }));
  for (const [type, expected] of [
    ['SSE-C', '403 AccessDenied'],
    ['NONE', 'not refused'],
  ] as const) {
    await send(server, { method: 'PUT', path: `/${Bucket}?encryption`, body: body(type) });
    expect(await refused(put())).toBe(expected);
    const shown = await send(server, { method: 'GET', path: `/${Bucket}?encryption` });
    expect(shown.body).toContain(`<EncryptionType>${type}</EncryptionType>`);
  }
});

test('a policy may ask for a method and for a key', async () => {
  const Bucket = await newBucket();
  const deny = (Condition: object): object => ({
    Effect: 'Deny',
    Principal: '*',
    Action: 's3:PutObject',
    Resource: `arn:aws:s3:::${Bucket}/*`,
    Condition,
  });
  const Policy = JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      deny({ Null: { [`s3:${METHOD}`]: 'true' } }),
      deny({ StringNotEquals: { [`s3:${METHOD}`]: 'aws:kms' } }),
      deny({ StringNotEqualsIfExists: { [`s3:${METHOD}-aws-kms-key-id`]: 'one' } }),
    ],
  });
  await s3.send(new PutBucketPolicyCommand({ Bucket, Policy }));
  const put = (more: object) =>
    s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'x', ...more } as never));
  expect(await refused(put({}))).toBe('403 AccessDenied');
  expect(await refused(put(AES))).toBe('403 AccessDenied');
  expect(await refused(put({ ServerSideEncryption: 'AES192' }))).toBe('403 AccessDenied');
  expect(await refused(put({ ...KMS, SSEKMSKeyId: 'nobody' }))).toBe('403 AccessDenied');
  expect(await put(KMS)).toMatchObject(KMS);
});

test('an object whose stored bytes were garbled is InternalError, and the log names it', async () => {
  const Bucket = await newBucket();
  await s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'hello', ...AES }));
  const { key, value } = await newestChunk(server.kv, 5);
  const garbled = value.slice();
  garbled[0] = (garbled[0] as number) ^ 1;
  await server.kv.transact({
    conditions: [],
    operations: [{ kind: 'put', key, value: garbled }],
  });
  const before = server.logged.length;
  const answer = await send(server, { method: 'GET', path: `/${Bucket}/k` });
  expect([answer.status, answer.code]).toEqual([500, 'InternalError']);
  expect(answer.body).not.toContain('hello');
  const { err } = server.logged[before] as { err: Error };
  expect(err.message).toContain(Buffer.from(key.subarray(1, 17)).toString('hex'));
});
