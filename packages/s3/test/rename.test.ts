import {
  CreateBucketCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  RenameObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseUserPolicy } from '../src/policy/index.ts';
import { send } from './raw-client.ts';
import { OWNER_ID, startTestServer, type TestServer } from './test-server.ts';

const Bucket = 'bucket';
const secretAccessKey = 'a-secret-of-a-test';
let server: TestServer;
let s3: S3Client;

beforeAll(async () => {
  const account = { id: OWNER_ID, displayName: 'tester' };
  const Statement = [
    { Effect: 'Allow', Action: 's3:*', Resource: '*' },
    {
      Effect: 'Deny',
      Action: ['s3:DeleteObject', 's3:GetObject'],
      Resource: 'arn:aws:s3:::bucket/kept/*',
    },
  ];
  const policy = JSON.stringify({ Version: '2012-10-17', Statement });
  server = await startTestServer({
    users: [
      {
        account,
        name: 'user',
        accessKeyId: 'USER',
        secretAccessKey,
        policies: [parseUserPolicy(policy)],
      },
    ],
  });
  s3 = server.client();
  await s3.send(new CreateBucketCommand({ Bucket }));
});

afterAll(() => server[Symbol.asyncDispose]());

const put = (Key: string, Body: string) => s3.send(new PutObjectCommand({ Bucket, Key, Body }));

async function keysIn(Prefix: string): Promise<(string | undefined)[]> {
  const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket, Prefix }));
  return Contents.map(({ Key }) => Key);
}

/** Status and code of a refusal; fails where there is none. */
async function refusal(work: Promise<unknown>): Promise<[number | undefined, string]> {
  const error = (await work.then(
    () => ({ name: 'nothing was refused', $metadata: {} }),
    (refused: unknown) => refused,
  )) as { readonly name: string; readonly $metadata: { readonly httpStatusCode?: number } };
  return [error.$metadata.httpStatusCode, error.name];
}

test('an object gets another key, whatever characters are in it', async () => {
  const source = 'r/a b+c%2F../ä\u{1f600}';
  await s3.send(
    new PutObjectCommand({ Bucket, Key: source, Body: 'v', ContentType: 'text/x', Tagging: 'k=v' }),
  );
  const before = await s3.send(new HeadObjectCommand({ Bucket, Key: source }));
  const RenameSource = encodeURIComponent(source);
  await s3.send(new RenameObjectCommand({ Bucket, Key: 'r/new', RenameSource }));
  expect(await keysIn('r/')).toEqual(['r/new']);
  const after = await s3.send(new GetObjectCommand({ Bucket, Key: 'r/new' }));
  expect(await after.Body?.transformToString()).toBe('v');
  expect([after.ETag, after.LastModified, after.ContentType, after.TagCount]).toEqual([
    before.ETag,
    before.LastModified,
    'text/x',
    1,
  ]);
  await s3.send(new RenameObjectCommand({ Bucket, Key: 'r/b', RenameSource: '/r/new' }));
  expect(await keysIn('r/')).toEqual(['r/b']);
});

test('its conditions are those of the headers', async () => {
  const { ETag } = await put('c/a', '1');
  await put('c/b', '2');
  const rename = (more: object) =>
    s3.send(new RenameObjectCommand({ Bucket, Key: 'c/b', RenameSource: 'c/a', ...more }));
  const failed = [412, 'PreconditionFailed'];
  expect(await refusal(rename({ DestinationIfNoneMatch: '*' }))).toEqual(failed);
  expect(await refusal(rename({ DestinationIfMatch: ETag }))).toEqual(failed);
  expect(await refusal(rename({ SourceIfMatch: '"0"' }))).toEqual(failed);
  expect(await refusal(rename({ SourceIfNoneMatch: ETag }))).toEqual(failed);
  const SourceIfUnmodifiedSince = new Date('2001-01-01');
  expect(await refusal(rename({ SourceIfUnmodifiedSince }))).toEqual(failed);
  expect(await keysIn('c/')).toEqual(['c/a', 'c/b']);
  await rename({ SourceIfMatch: ETag, ClientToken: 'once' });
  await rename({ SourceIfMatch: ETag, ClientToken: 'once' });
  const mismatch = [400, 'IdempotencyParameterMismatch'];
  expect(await refusal(rename({ ClientToken: 'once' }))).toEqual(mismatch);
  expect(await keysIn('c/')).toEqual(['c/b']);
});

test('a request without a source, or with one that is none, is refused', async () => {
  for (const value of [undefined, '', '/', '%ff', '%']) {
    const headers = value === undefined ? {} : { 'x-amz-rename-source': value };
    const path = '/bucket/new?renameObject';
    const answer = await send(server, { method: 'PUT', path, headers });
    expect([value, answer.status, answer.code]).toEqual([value, 400, 'InvalidArgument']);
  }
  const rename = new RenameObjectCommand({ Bucket, Key: 'x', RenameSource: 'a', ClientToken: ' ' });
  expect(await refusal(s3.send(rename))).toEqual([400, 'InvalidArgument']);
  expect(
    await refusal(s3.send(new RenameObjectCommand({ Bucket, Key: 'x', RenameSource: 'no' }))),
  ).toEqual([404, 'NoSuchKey']);
});

test('who may not read or delete the source cannot rename it away', async () => {
  await put('kept/a', '1');
  const user = server.client({ credentials: { accessKeyId: 'USER', secretAccessKey } });
  const rename = () =>
    user.send(new RenameObjectCommand({ Bucket, Key: 'taken', RenameSource: 'kept/a' }));
  expect(await refusal(rename())).toEqual([403, 'AccessDenied']);
  expect(await keysIn('kept/')).toEqual(['kept/a']);
});
