import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DOCUMENTS } from './bucket-documents.ts';
import { type RawAnswer, type RawRequest, send, succeed } from './raw-client.ts';
import { OWNER_ID, startTestServer, type TestServer } from './test-server.ts';

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer({ bucketAcls: true, isNotificationTarget: () => true });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

const done = (
  method: string,
  path: string,
  headers?: Readonly<Record<string, string>>,
  body?: string,
): Promise<RawAnswer> => succeed(server, method, path, headers, body);
const md5 = (text: string): string => createHash('md5').update(text).digest('base64');
const BUCKET_DOCUMENTS = Object.keys(DOCUMENTS).filter(
  (name) => !/^(legal-hold|retention)$/.test(name),
);
const OBJECT_DOCUMENTS = ['acl', 'tagging', 'legal-hold', 'retention'];

type Request = readonly [method: string, path: string, body?: string | undefined];

/** A request of every operation, in an order in which each succeeds; `UPLOAD` and `ETAG` are filled in. */
const REQUESTS: readonly Request[] = [
  ...BUCKET_DOCUMENTS.map((name) => ['PUT', `/every-owner?${name}`, DOCUMENTS[name]] as const),
  ...BUCKET_DOCUMENTS.map((name) => ['GET', `/every-owner?${name}`] as const),
  ...[
    'accelerate',
    'location',
    'logging',
    'policyStatus',
    'requestPayment',
    'uploads',
    'versions',
    'list-type=2',
  ].map((name) => ['GET', `/every-owner?${name}`] as const),
  ['GET', '/every-owner'],
  ['HEAD', '/every-owner'],
  ['PUT', '/every-owner/key', 'text'],
  ['PUT', '/every-owner/key?acl', DOCUMENTS['acl']],
  ['PUT', '/every-owner/key?tagging', DOCUMENTS['tagging']],
  ['PUT', '/every-owner/key?legal-hold', DOCUMENTS['legal-hold']],
  [
    'PUT',
    '/every-owner/key?retention',
    '<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>2099-01-01T00:00:00Z</RetainUntilDate></Retention>',
  ],
  ...OBJECT_DOCUMENTS.map((name) => ['GET', `/every-owner/key?${name}`] as const),
  ['GET', '/every-owner/key'],
  ['HEAD', '/every-owner/key'],
  ['GET', '/every-owner/key?attributes'],
  ['PUT', '/every-owner/copy'],
  ['PUT', '/every-owner/multi?partNumber=1&uploadId=UPLOAD', 'part'],
  ['PUT', '/every-owner/multi?partNumber=2&uploadId=UPLOAD'],
  ['GET', '/every-owner/multi?uploadId=UPLOAD'],
  [
    'POST',
    '/every-owner/multi?uploadId=UPLOAD',
    '<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>ETAG</ETag></Part></CompleteMultipartUpload>',
  ],
  ['DELETE', '/every-owner/other?uploadId=OTHER'],
  ['DELETE', '/every-owner/key?tagging'],
  ['DELETE', '/every-owner/copy'],
  ['POST', '/every-owner?delete', '<Delete><Object><Key>nothing</Key></Object></Delete>'],
  ...[
    'cors',
    'encryption',
    'lifecycle',
    'ownershipControls',
    'policy',
    'publicAccessBlock',
    'tagging',
    'website',
  ].map((name) => ['DELETE', `/every-owner?${name}`] as const),
];

test('every operation is refused where the bucket has another owner than the request expects', async () => {
  await done('PUT', '/every-owner', { 'x-amz-bucket-object-lock-enabled': 'true' });
  const begin = async (key: string): Promise<string> => {
    const owner = { 'x-amz-expected-bucket-owner': OWNER_ID };
    return (await done('POST', `/every-owner/${key}?uploads`, owner)).element('UploadId') ?? '';
  };
  const uploads = { UPLOAD: await begin('multi'), OTHER: await begin('other') };
  const run = ([method, path, body]: Request, owner: string): RawRequest => ({
    method,
    path: path.replace(/UPLOAD|OTHER/, (name) => uploads[name as keyof typeof uploads]),
    headers: {
      'x-amz-expected-bucket-owner': owner,
      ...(path.endsWith('?attributes') && { 'x-amz-object-attributes': 'ETag' }),
      ...(body === undefined && method === 'PUT' && { 'x-amz-copy-source': '/every-owner/key' }),
      ...(body !== undefined && { 'content-md5': md5(body) }),
    },
    ...(body !== undefined && { body }),
  });
  let etag = '';
  for (const request of REQUESTS) {
    const [method, path, text] = request;
    const whole = [method, path, text?.replace('ETAG', etag)] as Request;
    const refused = await send(server, run(whole, '0'.repeat(64)));
    expect([method, path, refused.status]).toEqual([method, path, 403]);
    const answer = await send(server, run(whole, OWNER_ID));
    expect([method, path, answer.status < 400, answer.body]).toEqual([
      method,
      path,
      true,
      answer.body,
    ]);
    if (path.includes('partNumber=1')) etag = answer.headers.etag ?? '';
  }
  const last = { 'x-amz-expected-bucket-owner': OWNER_ID };
  const path = '/every-owner?replication';
  const never = await send(server, { method: 'GET', path, headers: last });
  expect([never.status, never.code]).toEqual([404, 'ReplicationConfigurationNotFoundError']);
  await done('PUT', '/every-owner-empty');
  await done('DELETE', '/every-owner-empty', last);
});
