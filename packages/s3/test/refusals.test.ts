/** Requests of which AWS documents that they are refused, and that change nothing. */
import {
  type CORSRule,
  CopyObjectCommand,
  CreateBucketCommand,
  GetBucketVersioningCommand,
  ListObjectVersionsCommand,
  PutBucketCorsCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestServer, type TestServer } from './test-server.ts';

const Bucket = 'bucket';
let server: TestServer;
let client: S3Client;

beforeAll(async () => {
  server = await startTestServer();
  client = server.client();
  await client.send(new CreateBucketCommand({ Bucket }));
  await client.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'v' }));
});
afterAll(() => server[Symbol.asyncDispose]());

async function outcomeOf(work: Promise<unknown>): Promise<string> {
  return await work.then(
    () => 'done',
    (error: Error) => error.name,
  );
}

test.each<[string, Partial<CORSRule>, number, string]>([
  ['100 rules', {}, 100, 'done'],
  ['101 rules', {}, 101, 'MalformedXML'],
  ['a header with a star', { AllowedHeaders: ['x-*'] }, 1, 'done'],
  ['a header with two stars', { AllowedHeaders: ['*-x-*'] }, 1, 'InvalidRequest'],
  ['an origin with two stars', { AllowedOrigins: ['*.a.*'] }, 1, 'InvalidRequest'],
  ['an ID of 255 letters', { ID: 'x'.repeat(255) }, 1, 'done'],
  ['an ID of 256 letters', { ID: 'x'.repeat(256) }, 1, 'InvalidArgument'],
])('a CORS configuration with %s', async (_what, rule, count, outcome) => {
  const all = { AllowedMethods: ['GET'], AllowedOrigins: ['*'], ...rule };
  const CORSConfiguration = { CORSRules: Array.from({ length: count }, () => all) };
  const put = new PutBucketCorsCommand({ Bucket, CORSConfiguration });
  expect(await outcomeOf(client.send(put))).toBe(outcome);
});

test('a listing of versions goes on behind a version of a key, and of no key behind none', async () => {
  const list = (markers: object): Promise<string> =>
    outcomeOf(client.send(new ListObjectVersionsCommand({ Bucket, ...markers })));
  expect(await list({ VersionIdMarker: 'null' })).toBe('InvalidArgument');
  expect(await list({ KeyMarker: 'k', VersionIdMarker: 'null' })).toBe('done');
});

test('versioning that asks for MFA is not switched on without it', async () => {
  const VersioningConfiguration = { Status: 'Enabled', MFADelete: 'Enabled' } as const;
  const put = new PutBucketVersioningCommand({ Bucket, VersioningConfiguration });
  expect(await outcomeOf(client.send(put))).toBe('NotImplemented');
  const { Status } = await client.send(new GetBucketVersioningCommand({ Bucket }));
  expect(Status).toBeUndefined();
});

test('a source with a longer key than there can be is told as that', async () => {
  const copy = (length: number): Promise<string> => {
    const CopySource = `${Bucket}/${'ü'.repeat(length / 2)}`;
    const command = new CopyObjectCommand({
      Bucket,
      Key: 'copy',
      CopySource: encodeURI(CopySource),
    });
    return outcomeOf(client.send(command));
  };
  expect(await copy(1024)).toBe('NoSuchKey');
  expect(await copy(1026)).toBe('KeyTooLongError');
});
