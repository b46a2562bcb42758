/** What AWS was seen to answer and no other test here asks for: one fact each. */
import {
  CreateBucketCommand,
  type CreateBucketCommandInput,
  CreateMultipartUploadCommand,
  DeleteBucketCommand,
  HeadBucketCommand,
  ListBucketsCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3';
import { S3RequestPresigner } from '@aws-sdk/s3-request-presigner';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type RawAnswer, type RawRequest, send } from './raw-client.ts';
import { startTestServer, type TestServer } from './test-server.ts';

let server: TestServer;
let client: S3Client;

beforeAll(async () => {
  server = await startTestServer();
  client = server.client();
});
afterAll(() => server[Symbol.asyncDispose]());

const ask = (method: string, path: string, more: Partial<RawRequest> = {}): Promise<RawAnswer> =>
  send(server, { method, path, ...more });

test('a condition that a presigned URL carries as a parameter is decided', async () => {
  await ask('PUT', '/presigned');
  const { credentials, region, sha256 } = client.config;
  const presigner = new S3RequestPresigner({ credentials, region, sha256 });
  const url = async (query: Record<string, string>): Promise<string> => {
    const { path, query: signed = {} } = await presigner.presign(
      {
        protocol: 'http:',
        hostname: '127.0.0.1',
        port: server.port,
        method: 'PUT',
        path: '/presigned/key',
        query,
        headers: { host: `127.0.0.1:${server.port}` },
      },
      { signingDate: new Date(server.clock.nowMs()) },
    );
    return `${server.endpoint}${path}?${String(new URLSearchParams(signed as Record<string, string>))}`;
  };
  const put = async (query: Record<string, string>): Promise<number> =>
    (await fetch(await url(query), { method: 'PUT', body: 'text' })).status;
  expect(await put({ 'If-None-Match': '*' })).toBe(200);
  expect(await put({ 'If-None-Match': '*' })).toBe(412);
  expect(await put({ 'If-Match': 'd41d8cd98f00b204e9800998ecf8427e' })).toBe(412);
});

test('a plus in the source of a copy is a space', async () => {
  await ask('PUT', '/plus');
  await ask('PUT', '/plus/a%20b', { body: 'space' });
  await ask('PUT', '/plus/a%2Bb', { body: 'plus' });
  for (const [source, text] of [
    ['/plus/a+b', 'space'],
    ['/plus/a%2Bb', 'plus'],
  ] as const) {
    await ask('PUT', '/plus/copy', { headers: { 'x-amz-copy-source': source } });
    expect((await ask('GET', '/plus/copy')).body).toBe(text);
  }
});

test('a state of versioning that there is not is malformed', async () => {
  await ask('PUT', '/states');
  const put = async (inner: string): Promise<string | undefined> => {
    const body = `<VersioningConfiguration>${inner}</VersioningConfiguration>`;
    return (await ask('PUT', '/states?versioning', { body })).code;
  };
  expect(await put('<Status>enabled</Status>')).toBe('MalformedXML');
  expect(await put('')).toBe('IllegalVersioningConfigurationException');
});

test('an empty encoding type is none that there is', async () => {
  await ask('PUT', '/encodings');
  for (const query of ['?encoding-type=', '?versions&encoding-type=', '?uploads&encoding-type=']) {
    const { code, element } = await ask('GET', `/encodings${query}`);
    expect([code, element('ArgumentName')]).toEqual(['InvalidArgument', 'encoding-type']);
  }
});

test('an empty set of tags is none', async () => {
  await ask('PUT', '/untagged', {
    body: '<CreateBucketConfiguration><Tags></Tags></CreateBucketConfiguration>',
  });
  expect((await ask('GET', '/untagged?tagging')).code).toBe('NoSuchTagSet');
  for (const body of ['<Tagging><TagSet></TagSet></Tagging>', '<Tagging></Tagging>']) {
    expect((await ask('PUT', '/untagged?tagging', { body })).status).toBe(204);
    expect((await ask('GET', '/untagged?tagging')).code).toBe('NoSuchTagSet');
  }
  await ask('PUT', '/untagged/key', { headers: { 'x-amz-tagging': 'a=1' } });
  expect((await ask('PUT', '/untagged/key?tagging', { body: '<Tagging></Tagging>' })).status).toBe(
    200,
  );
  expect((await ask('GET', '/untagged/key?tagging')).body).toContain('<TagSet></TagSet>');
});

test('a bucket that is there is not made again with tags', async () => {
  const make = (
    Tags?: NonNullable<CreateBucketCommandInput['CreateBucketConfiguration']>['Tags'],
  ) =>
    client.send(
      new CreateBucketCommand({
        Bucket: 'again',
        ...(Tags !== undefined && { CreateBucketConfiguration: { Tags } }),
      }),
    );
  await make([{ Key: 'a', Value: '1' }]);
  await expect(make([{ Key: 'a', Value: '1' }])).rejects.toThrow(
    expect.objectContaining({ name: 'BucketAlreadyOwnedByYou' }),
  );
  expect((await make()).Location).toBe('/again');
  expect((await make([])).Location).toBe('/again');
});

test('a bucket says its ARN when it is made, asked for and listed', async () => {
  const arn = 'arn:aws:s3:::named';
  expect(await client.send(new CreateBucketCommand({ Bucket: 'named' }))).toMatchObject({
    BucketArn: arn,
  });
  expect(await client.send(new HeadBucketCommand({ Bucket: 'named' }))).toMatchObject({
    BucketArn: arn,
  });
  const { Buckets } = await client.send(new ListBucketsCommand({ Prefix: 'named' }));
  expect(Buckets?.map(({ BucketArn }) => BucketArn)).toEqual([arn]);
});

test('a bucket with versions says that all of them are to be deleted', async () => {
  const Bucket = 'versions';
  await client.send(new CreateBucketCommand({ Bucket }));
  await client.send(new PutObjectCommand({ Bucket, Key: 'k' }));
  const refusal = async (): Promise<unknown> =>
    await client.send(new DeleteBucketCommand({ Bucket })).catch((error: Error) => error.message);
  expect(await refusal()).toBe('The bucket you tried to delete is not empty');
  const VersioningConfiguration = { Status: 'Enabled' } as const;
  await client.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration }));
  expect(await refusal()).toBe(
    'The bucket you tried to delete is not empty. You must delete all versions in the bucket.',
  );
});

test('lists of uploads and parts always say where they ended', async () => {
  const address = { Bucket: 'ends', Key: 'key' };
  await client.send(new CreateBucketCommand({ Bucket: 'ends' }));
  const uploads = async (more: object = {}): Promise<unknown> => {
    const page = await client.send(new ListMultipartUploadsCommand({ Bucket: 'ends', ...more }));
    return [page.NextKeyMarker, page.NextUploadIdMarker, page.Prefix];
  };
  expect(await uploads()).toEqual(['', '', undefined]);
  const { UploadId } = await client.send(new CreateMultipartUploadCommand(address));
  const parts = async (PartNumberMarker?: string): Promise<unknown> =>
    (await client.send(new ListPartsCommand({ ...address, UploadId, PartNumberMarker })))
      .NextPartNumberMarker;
  expect(await parts()).toBe('0');
  await client.send(new UploadPartCommand({ ...address, UploadId, PartNumber: 3, Body: 'text' }));
  expect([await parts(), await parts('7')]).toEqual(['3', '0']);
  expect(await uploads()).toEqual(['key', UploadId, undefined]);
  expect(await uploads({ Prefix: 'k', Delimiter: 'e' })).toEqual(['', '', 'k']);
});

test('an upload without a checksum of its own shows none before it is complete', async () => {
  const address = { Bucket: 'unnamed', Key: 'key' };
  await client.send(new CreateBucketCommand({ Bucket: 'unnamed' }));
  await client.send(new PutObjectCommand({ Bucket: 'unnamed', Key: 'source', Body: 'text' }));
  const { UploadId } = await client.send(new CreateMultipartUploadCommand(address));
  const source = { CopySource: 'unnamed/source', PartNumber: 1 };
  const copied = await client.send(new UploadPartCopyCommand({ ...address, UploadId, ...source }));
  const shown = JSON.stringify([
    copied.CopyPartResult,
    await client.send(new ListPartsCommand({ ...address, UploadId })),
    await client.send(new ListMultipartUploadsCommand({ Bucket: 'unnamed' })),
  ]);
  expect(shown).not.toContain('Checksum');
});

test('a range of a part that the source does not have is refused in its own words', async () => {
  const address = { Bucket: 'ranges', Key: 'key' };
  await client.send(new CreateBucketCommand({ Bucket: 'ranges' }));
  await client.send(new PutObjectCommand({ Bucket: 'ranges', Key: 'ten', Body: '0123456789' }));
  const { UploadId } = await client.send(new CreateMultipartUploadCommand(address));
  const refusal = async (range: string): Promise<unknown> => {
    const { status, code, message } = await ask(
      'PUT',
      `/ranges/key?partNumber=1&uploadId=${UploadId}`,
      { headers: { 'x-amz-copy-source': '/ranges/ten', 'x-amz-copy-source-range': range } },
    );
    return [status, code, message];
  };
  expect(await refusal('bytes=0-10')).toEqual([
    400,
    'InvalidArgument',
    'Range specified is not valid for source object of size: 10',
  ]);
  expect(await refusal('bytes=10-20')).toEqual([
    400,
    'InvalidRequest',
    'The specified copy range is invalid for the source object size',
  ]);
});

const CUSTOMER = 'x-amz-server-side-encryption-customer';
const MODE = 'x-amz-object-lock-mode';
const UNTIL = 'x-amz-object-lock-retain-until-date';

test.each<[string, Partial<RawRequest> & { path: string }, Record<string, string | undefined>]>([
  [
    'an MD5 that is another',
    { path: '/words/key', headers: { 'content-md5': 'CYketZBSTjX8czcs3cXVlg==' } },
    { Code: 'BadDigest', ExpectedDigest: '09891eb590524e35fc73372cddc5d596' },
  ],
  [
    "a customer's key without its algorithm",
    { path: '/words/key', headers: { [`${CUSTOMER}-key`]: 'a' } },
    {
      Code: 'InvalidArgument',
      ArgumentName: 'x-amz-server-side-encryption',
      ArgumentValue: undefined,
    },
  ],
  [
    'a retention without a date',
    { path: '/words/key', headers: { [MODE]: 'GOVERNANCE' } },
    { Code: 'InvalidArgument', ArgumentName: UNTIL, ArgumentValue: undefined },
  ],
  [
    'a retention without a mode',
    { path: '/words/key', headers: { [UNTIL]: '2030-01-01T00:00:00Z' } },
    { Code: 'InvalidArgument', ArgumentName: MODE, ArgumentValue: undefined },
  ],
  [
    'an ownership that there is not',
    { path: '/owned', headers: { 'x-amz-object-ownership': 'Mine' } },
    {
      Code: 'InvalidArgument',
      Message: 'Invalid x-amz-object-ownership header: Mine',
      ArgumentValue: undefined,
    },
  ],
  [
    'a configuration of locks of no bytes',
    { path: '/words?object-lock', body: '' },
    { Code: 'MissingRequestBodyError', Message: 'Request Body is empty' },
  ],
  ['a policy of no bytes', { path: '/words?policy', body: '' }, { Code: 'MalformedPolicy' }],
  [
    'a part with a number below zero',
    { path: '/words/key?partNumber=-1&uploadId=x' },
    {
      Code: 'InvalidArgument',
      Message: 'Part number must be an integer between 1 and 10000, inclusive',
      ArgumentName: 'partNumber',
      ArgumentValue: '-1',
    },
  ],
  [
    'a number of parts below zero',
    { method: 'GET', path: '/words/key?max-parts=-1&uploadId=x' },
    {
      Code: 'InvalidArgument',
      Message: 'Argument max-parts must be an integer between 0 and 2147483647',
      ArgumentName: 'max-parts',
    },
  ],
  [
    'a delete past retentions that there cannot be',
    {
      method: 'DELETE',
      path: '/words/key',
      headers: { 'x-amz-bypass-governance-retention': 'false' },
    },
    {
      Code: 'InvalidArgument',
      Message:
        'x-amz-bypass-governance-retention is only applicable to Object Lock enabled buckets.',
      ArgumentName: 'x-amz-bypass-governance-retention',
    },
  ],
  [
    'a legal hold of no bytes',
    { path: '/words/key?legal-hold', body: '' },
    { Code: 'MalformedXML' },
  ],
  [
    'a form that is none',
    { method: 'POST', path: '/words', headers: { 'content-type': 'text/plain' } },
    {
      Code: 'PreconditionFailed',
      Message: 'At least one of the pre-conditions you specified did not hold',
    },
  ],
  [
    'a website with no rules in its list of rules',
    {
      path: '/words?website',
      body: '<WebsiteConfiguration><IndexDocument><Suffix>i</Suffix></IndexDocument><RoutingRules/></WebsiteConfiguration>',
    },
    { Code: 'MalformedXML' },
  ],
  [
    "a customer's key beside another encryption",
    {
      path: '/words/key',
      headers: { [`${CUSTOMER}-algorithm`]: 'KMS', 'x-amz-server-side-encryption': 'AES256' },
    },
    { Code: 'InvalidArgument', ArgumentValue: 'AES256' },
  ],
  [
    'a minimum size of transitions that there is not',
    {
      path: '/words?lifecycle',
      headers: { 'x-amz-transition-default-minimum-object-size': 'big' },
      body: '<LifecycleConfiguration></LifecycleConfiguration>',
    },
    {
      Code: 'InvalidRequest',
      Message: 'Invalid TransitionDefaultMinimumObjectSize found: big',
    },
  ],
  [
    'a location that is no region',
    {
      path: '/somewhere',
      body: '<CreateBucketConfiguration><LocationConstraint>foo</LocationConstraint></CreateBucketConfiguration>',
    },
    { Code: 'InvalidLocationConstraint', LocationConstraint: 'foo' },
  ],
])('%s is refused in the words of AWS', async (_what, request, fields) => {
  await ask('PUT', '/words');
  const { element } = await ask(request.method ?? 'PUT', request.path, {
    body: 'text',
    ...request,
  });
  const said = Object.fromEntries(Object.keys(fields).map((name) => [name, element(name)]));
  expect(said).toEqual(fields);
});

test('the MD5 that a part should have is shown in base64', async () => {
  await ask('PUT', '/parts');
  const id = (await ask('POST', '/parts/md5?uploads')).element('UploadId') ?? '';
  const wrong = { 'content-md5': 'CYketZBSTjX8czcs3cXVlg==' };
  const path = `/parts/md5?partNumber=1&uploadId=${id}`;
  const part = await ask('PUT', path, { body: 'text', headers: wrong });
  expect([part.code, part.element('ExpectedDigest')]).toEqual([
    'BadDigest',
    'CYketZBSTjX8czcs3cXVlg==',
  ]);
});

test('parts that are too small or not in order are named with their limits', async () => {
  await ask('PUT', '/parts');
  const uploadId = (await ask('POST', '/parts/key?uploads')).element('UploadId') ?? '';
  const etags: (string | undefined)[] = [];
  for (const number of [1, 2]) {
    const path = `/parts/key?partNumber=${number}&uploadId=${uploadId}`;
    etags.push((await ask('PUT', path, { body: 'text' })).headers.etag);
  }
  const complete = (numbers: readonly number[], headers = {}): Promise<RawAnswer> => {
    const list = numbers.map(
      (number) =>
        `<Part><PartNumber>${number}</PartNumber><ETag>${etags[number - 1]}</ETag></Part>`,
    );
    const body = `<CompleteMultipartUpload>${list.join('')}</CompleteMultipartUpload>`;
    return ask('POST', `/parts/key?uploadId=${uploadId}`, { body, headers });
  };
  const small = await complete([1, 2]);
  expect([small.code, small.element('MinSizeAllowed')]).toEqual(['EntityTooSmall', '5242880']);
  const unordered = await complete([2, 1]);
  expect([unordered.code, unordered.element('UploadId')]).toEqual(['InvalidPartOrder', uploadId]);
  const size = await complete([1], { 'x-amz-mp-object-size': '5' });
  expect(size.message).toContain('header value 5 does not match what was computed: 4');
});

test('a preflight of a bucket without CORS is told so, whatever it asks', async () => {
  await ask('PUT', '/no-cors');
  const { status, code, element } = await ask('OPTIONS', '/no-cors/key', {
    anonymous: true,
    headers: { origin: 'http://a.test' },
  });
  expect([status, code, element('Method')]).toEqual([403, 'AccessForbidden', 'OPTIONS']);
});

test('who did not sign is not told whose the objects are', async () => {
  await ask('PUT', '/listed');
  await ask('PUT', '/listed/key', { body: 'text' });
  const Statement = [
    { Effect: 'Allow', Principal: '*', Action: 's3:ListBucket', Resource: 'arn:aws:s3:::listed' },
  ];
  const body = JSON.stringify({ Version: '2012-10-17', Statement });
  await ask('PUT', '/listed?policy', { body });
  expect((await ask('GET', '/listed')).body).toContain('<Owner>');
  const { status, body: page } = await ask('GET', '/listed', { anonymous: true });
  expect([status, page.includes('<Key>key</Key>'), page.includes('<Owner>')]).toEqual([
    200,
    true,
    false,
  ]);
});
