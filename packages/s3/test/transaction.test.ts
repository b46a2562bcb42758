import { createHash } from 'node:crypto';
import {
  CreateBucketCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutBucketPolicyCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseUserPolicy } from '../src/policy/index.ts';
import { RawSocket, rawHead, send } from './raw-client.ts';
import { OWNER_ID, startTestServer, type TestServer } from './test-server.ts';

const Bucket = 'bucket';
const PATH = '/bucket?transaction';
const secretAccessKey = 'a-secret-of-a-test';
let server: TestServer;
let s3: S3Client;

beforeAll(async () => {
  const account = { id: OWNER_ID, displayName: 'tester' };
  const Statement = [
    { Effect: 'Allow', Action: ['s3:PutObject', 's3:DeleteObject'], Resource: '*' },
    { Effect: 'Deny', Action: 's3:*', Resource: 'arn:aws:s3:::bucket/kept/*' },
  ];
  const policy = parseUserPolicy(JSON.stringify({ Version: '2012-10-17', Statement }));
  const user = { account, name: 'user', accessKeyId: 'USER', secretAccessKey, policies: [policy] };
  server = await startTestServer({ users: [user] });
  s3 = server.client();
  await s3.send(new CreateBucketCommand({ Bucket }));
});

afterAll(() => server[Symbol.asyncDispose]());

type Line = Readonly<Record<string, unknown>>;

/** Lines, each followed by its body where it is a put. */
function bodyOf(...operations: (readonly [Line, string?])[]): Buffer {
  return Buffer.concat(
    operations.flatMap(([line, body = '']) => {
      const size = line['op'] === 'put' ? { size: Buffer.byteLength(body) } : {};
      return [Buffer.from(`${JSON.stringify({ ...size, ...line })}\n`), Buffer.from(body)];
    }),
  );
}

const transact = (body: Uint8Array, more: object = {}) =>
  send(server, { method: 'POST', path: PATH, body, ...more });

async function listed(Prefix: string): Promise<string[]> {
  const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket, Prefix }));
  return Contents.map(({ Key, Size }) => `${Key}@${Size}`);
}

test('puts, copies, deletes and conditions of one request happen together', async () => {
  await s3.send(new PutObjectCommand({ Bucket, Key: 'a/old', Body: 'old' }));
  const { ETag } = await s3.send(new HeadObjectCommand({ Bucket, Key: 'a/old' }));
  const large = 'x'.repeat(300_000);
  const put = {
    op: 'put',
    key: 'a/ä\n{"op":"delete"}',
    contentType: 'text/x',
    metadata: { name: 'ö' },
    tagging: 'k=v',
    sha256: createHash('sha256').update('line\n{}\n').digest('base64'),
    ifNoneMatch: '*',
  };
  const answer = await transact(
    bodyOf(
      [put, 'line\n{}\n'],
      [{ op: 'put', key: 'a/large' }, large],
      [{ op: 'put', key: 'a/empty' }],
      [{ op: 'copy', key: 'a/copy', sourceKey: 'a/old', sourceIfMatch: ETag }],
      [{ op: 'delete', key: 'a/old', ifMatch: ETag }],
      [{ op: 'check', key: 'a/none', ifNoneMatch: '*' }],
    ),
  );
  expect([answer.status, answer.headers['content-type']]).toEqual([200, 'application/json']);
  const { results } = JSON.parse(answer.body) as { results: object[] };
  expect(results.slice(2)).toEqual([
    { op: 'put', key: 'a/empty', etag: '"d41d8cd98f00b204e9800998ecf8427e"', size: 0 },
    { op: 'copy', key: 'a/copy', etag: ETag, size: 3 },
    { op: 'delete', key: 'a/old' },
    { op: 'check', key: 'a/none' },
  ]);
  expect(await listed('a/')).toEqual(['a/copy@3', 'a/empty@0', 'a/large@300000', `${put.key}@8`]);
  const got = await s3.send(
    new GetObjectCommand({ Bucket, Key: put.key, ChecksumMode: 'ENABLED' }),
  );
  expect(await got.Body?.transformToString()).toBe('line\n{}\n');
  expect(got).toMatchObject({ ContentType: 'text/x', TagCount: 1, ChecksumSHA256: put.sha256 });
  const read = await s3.send(new GetObjectCommand({ Bucket, Key: 'a/large' }));
  expect(await read.Body?.transformToString()).toBe(large);
});

test('a refused operation is named, and nothing of the others is done', async () => {
  await s3.send(new PutObjectCommand({ Bucket, Key: 'b/there', Body: '1' }));
  const first = [{ op: 'put', key: 'b/new' }, 'y'.repeat(200_000)] as const;
  for (const [line, status, code] of [
    [{ op: 'put', key: 'b/there', ifNoneMatch: '*' }, 412, 'PreconditionFailed'],
    [{ op: 'check', key: 'b/none', ifMatch: '*' }, 404, 'NoSuchKey'],
    [{ op: 'delete', key: 'b/there', ifMatch: '"0"' }, 412, 'PreconditionFailed'],
  ] as const) {
    const answer = await transact(bodyOf(first, [line]));
    expect([answer.status, answer.code, answer.element('Operation')]).toEqual([status, code, '1']);
    expect(answer.element('Key')).toBe(line.key);
  }
  const sha256 = createHash('sha256').update('other').digest('base64');
  const wrong = await transact(bodyOf(first, [{ op: 'put', key: 'b/sum', sha256 }, 'body']));
  expect([wrong.status, wrong.code]).toEqual([400, 'BadDigest']);
  expect(await listed('b/')).toEqual(['b/there@1']);
});

test('what is not a transaction is refused, and nothing of it is done', async () => {
  const good = JSON.stringify({ op: 'put', key: 'c/a', size: 1 });
  const cases: [string, string][] = [
    ['', 'InvalidRequest'],
    ['{', 'InvalidRequest'],
    ['[]\n', 'InvalidRequest'],
    ['null\n', 'InvalidRequest'],
    ['\xff\n', 'InvalidRequest'],
    ['{"op":"steal","key":"c/a"}\n', 'InvalidRequest'],
    ['{"op":"put","key":"c/a"}\n', 'InvalidRequest'],
    ['{"op":"put","key":"c/a","size":-1}\n', 'InvalidRequest'],
    ['{"op":"put","key":"c/a","size":"1"}\n1', 'InvalidRequest'],
    ['{"op":"put","key":"c/a","size":1,"acl":"public-read"}\n1', 'InvalidRequest'],
    ['{"op":"put","key":"c/a","size":1,"metadata":{"A":"b"}}\n1', 'InvalidRequest'],
    ['{"op":"put","key":"c/a","size":1,"metadata":{"a":"b\\r\\nc"}}\n1', 'InvalidRequest'],
    ['{"op":"put","key":"c/a","size":1,"tagging":"a=1&a=2"}\n1', 'InvalidArgument'],
    ['{"op":"put","key":"c/a","size":1,"sha256":"x"}\n1', 'InvalidRequest'],
    ['{"op":"delete","key":7}\n', 'InvalidRequest'],
    ['{"op":"delete","key":""}\n', 'InvalidArgument'],
    ['{"op":"delete","key":"c/a","size":1}\n', 'InvalidRequest'],
    ['{"op":"check","key":"c/a"}\n', 'InvalidRequest'],
    [`${good}\n12`, 'InvalidRequest'],
    [`${good}\n`, 'IncompleteBody'],
    [`${good}\n1${good}\n1`, 'InvalidRequest'],
    [`${good}\n1\n`, 'InvalidRequest'],
    [`{"op":"delete","key":"c/a","x":"${'y'.repeat(40_000)}"}\n`, 'InvalidRequest'],
    [
      Array.from({ length: 1001 }, (_, index) => `{"op":"delete","key":"c/${index}"}\n`).join(''),
      'InvalidRequest',
    ],
  ];
  for (const [text, code] of cases) {
    const answer = await transact(Buffer.from(text, 'latin1'));
    expect([text.slice(0, 80), answer.status, answer.code]).toEqual([text.slice(0, 80), 400, code]);
  }
  for (const name of ['x-amz-acl', 'x-amz-tagging', 'x-amz-meta-a', 'x-amz-storage-class']) {
    const headers = { [name]: 'private' };
    const answer = await transact(Buffer.from(`${good}\n1`), { headers });
    expect([name, answer.status, answer.code]).toEqual([name, 400, 'InvalidRequest']);
  }
  expect(await listed('c/')).toEqual([]);
});

test('a body that is not what was signed is never a transaction', async () => {
  const body = bodyOf([{ op: 'put', key: 'd/a' }, '1']);
  const head = rawHead(
    server,
    { method: 'POST', path: PATH, body },
    {
      'content-length': String(body.length),
      connection: 'close',
    },
  );
  await using socket = new RawSocket(server.port);
  socket.write(head);
  socket.write(Buffer.from(body.toString().replace('d/a', 'd/b')));
  expect(await socket.untilEnd()).toContain('XAmzContentSHA256Mismatch');
  expect(await listed('d/')).toEqual([]);
});

test('a client that goes away in the middle leaves nothing behind', async () => {
  const body = bodyOf(
    [{ op: 'put', key: 'e/a' }, 'z'.repeat(400_000)],
    [{ op: 'put', key: 'e/b' }],
  );
  const before = server.records.length;
  const socket = new RawSocket(server.port);
  const unsigned = { 'content-length': String(body.length), expect: '100-continue' };
  socket.write(rawHead(server, { method: 'POST', path: PATH, body }, unsigned));
  await socket.until(/100 Continue/);
  socket.write(body.subarray(0, 300_000));
  socket.socket.resetAndDestroy();
  await server.recorded(before + 1);
  expect(server.records.at(-1)).toMatchObject({ operation: 'TransactObjects', status: 499 });
  expect(await listed('e/')).toEqual([]);
  await server.store.collectGarbage();
  expect(await server.store.collectGarbage()).toMatchObject({
    expiredIntents: 0,
    deletedChunks: 0,
  });
});

test('each operation needs what it would need alone', async () => {
  const user = { accessKey: 'USER', secretKey: secretAccessKey };
  await s3.send(new PutObjectCommand({ Bucket, Key: 'kept/a', Body: '1' }));
  const fine = [{ op: 'put', key: 'f/a' }, '1'] as const;
  expect((await transact(bodyOf(fine, [{ op: 'delete', key: 'f/b' }]), user)).status).toBe(200);
  for (const line of [
    { op: 'put', key: 'kept/b' },
    { op: 'delete', key: 'kept/a' },
    { op: 'copy', key: 'f/c', sourceKey: 'kept/a' },
    { op: 'check', key: 'f/a', ifMatch: '*' },
    { op: 'put', key: 'f/c', tagging: 'k=v' },
  ]) {
    const answer = await transact(bodyOf([{ op: 'put', key: 'f/d' }, '1'], [line]), user);
    expect([line, answer.status, answer.code, answer.element('Operation')]).toEqual([
      line,
      403,
      'AccessDenied',
      '1',
    ]);
  }
  expect(await listed('f/')).toEqual(['f/a@1']);
  expect(await listed('kept/')).toEqual(['kept/a@1']);
  const anonymous = await transact(bodyOf(fine), { anonymous: true });
  expect([anonymous.status, anonymous.code]).toEqual([403, 'AccessDenied']);
  const Statement = [
    {
      Effect: 'Allow',
      Principal: '*',
      Action: 's3:PutObject',
      Resource: 'arn:aws:s3:::bucket/f/*',
    },
  ];
  const Policy = JSON.stringify({ Version: '2012-10-17', Statement });
  await s3.send(new PutBucketPolicyCommand({ Bucket, Policy }));
  expect((await transact(bodyOf(fine), { anonymous: true })).status).toBe(200);
});

test('under a client token it is done once', async () => {
  const body = bodyOf([{ op: 'put', key: 'g/a' }, '1'], [{ op: 'delete', key: 'g/b' }]);
  const headers = { 'x-amz-client-token': 'token' };
  const first = await transact(body, { headers });
  await s3.send(new PutObjectCommand({ Bucket, Key: 'g/b', Body: '22' }));
  const second = await transact(body, { headers });
  expect([second.status, second.body]).toEqual([200, first.body]);
  expect(await listed('g/')).toEqual(['g/a@1', 'g/b@2']);
  const other = await transact(bodyOf([{ op: 'put', key: 'g/a' }, '2']), { headers });
  expect([other.status, other.code]).toEqual([400, 'IdempotencyParameterMismatch']);
});

test.each([
  ['another key', { 'x-amz-server-side-encryption': 'AES256' }, { op: 'put', key: 'i/a' }],
  ['another checksum', {}, { op: 'put', key: 'i/a', crc32: 'jNwWgw==' }],
  [
    'another key of a copy',
    { 'x-amz-server-side-encryption': 'AES256' },
    { op: 'copy', key: 'i/a', sourceKey: 'i/s' },
  ],
])('a client token is refused for %s', async (what, more, line) => {
  await s3.send(new PutObjectCommand({ Bucket, Key: 'i/s', Body: 'x' }));
  const headers = { 'x-amz-client-token': what.replaceAll(' ', '-') };
  const { crc32: _crc32, ...plain } = { crc32: '', ...line };
  const body = (of: Line) => (line.op === 'put' ? bodyOf([of, 'x']) : bodyOf([of]));
  const first = await transact(body(plain), { headers });
  expect(first.status).toBe(200);
  const other = await transact(body(line), { headers: { ...headers, ...more } });
  expect([other.status, other.code]).toEqual([400, 'IdempotencyParameterMismatch']);
  expect((await transact(body(plain), { headers })).body).toBe(first.body);
});

test('a key of the customer encrypts every body of the request, also when it is sent again', async () => {
  const key = Buffer.alloc(32, 7);
  const customer = {
    SSECustomerAlgorithm: 'AES256',
    SSECustomerKey: key.toString('base64'),
    SSECustomerKeyMD5: createHash('md5').update(key).digest('base64'),
  };
  const headers = {
    'x-amz-server-side-encryption-customer-algorithm': 'AES256',
    'x-amz-server-side-encryption-customer-key': customer.SSECustomerKey,
    'x-amz-server-side-encryption-customer-key-MD5': customer.SSECustomerKeyMD5,
    'x-amz-client-token': 'encrypted',
  };
  const body = bodyOf(
    [{ op: 'put', key: 'h/a' }, 'small'],
    [{ op: 'put', key: 'h/b' }, 'w'.repeat(200_000)],
  );
  expect((await transact(body, { headers })).status).toBe(200);
  expect((await transact(body, { headers })).status).toBe(200);
  for (const [Key, size] of [
    ['h/a', 5],
    ['h/b', 200_000],
  ] as const) {
    const plain = s3.send(new GetObjectCommand({ Bucket, Key }));
    await expect(plain).rejects.toMatchObject({ name: 'InvalidRequest' });
    const got = await s3.send(new GetObjectCommand({ Bucket, Key, ...customer }));
    expect((await got.Body?.transformToByteArray())?.length).toBe(size);
  }
});
