import {
  CreateBucketCommand,
  DeleteBucketCorsCommand,
  DeleteBucketLifecycleCommand,
  DeleteBucketOwnershipControlsCommand,
  DeletePublicAccessBlockCommand,
  GetBucketCorsCommand,
  GetBucketLifecycleConfigurationCommand,
  GetBucketOwnershipControlsCommand,
  GetPublicAccessBlockCommand,
  PutBucketCorsCommand,
  PutBucketLifecycleConfigurationCommand,
  PutBucketOwnershipControlsCommand,
  PutPublicAccessBlockCommand,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestServer, type TestServer } from './test-server.ts';

const Bucket = 'settings';

let server: TestServer;
let s3: ReturnType<TestServer['client']>;
beforeAll(async () => {
  server = await startTestServer();
  s3 = server.client();
  await s3.send(new CreateBucketCommand({ Bucket }));
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

test('ownership controls are read as they were put, and gone when they are deleted', async () => {
  const OwnershipControls = { Rules: [{ ObjectOwnership: 'BucketOwnerPreferred' as const }] };
  await s3.send(new PutBucketOwnershipControlsCommand({ Bucket, OwnershipControls }));
  const read = await s3.send(new GetBucketOwnershipControlsCommand({ Bucket }));
  expect(read.OwnershipControls).toEqual(OwnershipControls);
  await s3.send(new DeleteBucketOwnershipControlsCommand({ Bucket }));
  await expect(s3.send(new GetBucketOwnershipControlsCommand({ Bucket }))).rejects.toMatchObject({
    name: 'OwnershipControlsNotFoundError',
  });
});

test('a public access block is read as it was put, and gone when it is deleted', async () => {
  const PublicAccessBlockConfiguration = {
    BlockPublicAcls: true,
    IgnorePublicAcls: false,
    BlockPublicPolicy: true,
    RestrictPublicBuckets: false,
  };
  await s3.send(new PutPublicAccessBlockCommand({ Bucket, PublicAccessBlockConfiguration }));
  const read = await s3.send(new GetPublicAccessBlockCommand({ Bucket }));
  expect(read.PublicAccessBlockConfiguration).toEqual(PublicAccessBlockConfiguration);
  await s3.send(new DeletePublicAccessBlockCommand({ Bucket }));
  await expect(s3.send(new GetPublicAccessBlockCommand({ Bucket }))).rejects.toMatchObject({
    name: 'NoSuchPublicAccessBlockConfiguration',
  });
});

test('CORS rules are read as they were put, and gone when they are deleted', async () => {
  const CORSRules = [
    { ID: 'a', AllowedMethods: ['GET'], AllowedOrigins: ['http://x'], MaxAgeSeconds: 5 },
  ];
  await s3.send(new PutBucketCorsCommand({ Bucket, CORSConfiguration: { CORSRules } }));
  expect((await s3.send(new GetBucketCorsCommand({ Bucket }))).CORSRules).toEqual(CORSRules);
  await s3.send(new DeleteBucketCorsCommand({ Bucket }));
  await expect(s3.send(new GetBucketCorsCommand({ Bucket }))).rejects.toMatchObject({
    name: 'NoSuchCORSConfiguration',
  });
});

test('lifecycle rules are gone when they are deleted', async () => {
  const Rules = [
    { ID: 'a', Status: 'Enabled' as const, Filter: { Prefix: 'p/' }, Expiration: { Days: 1 } },
  ];
  const LifecycleConfiguration = { Rules };
  await s3.send(new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration }));
  const read = await s3.send(new GetBucketLifecycleConfigurationCommand({ Bucket }));
  expect(read.Rules).toEqual(Rules);
  await s3.send(new DeleteBucketLifecycleCommand({ Bucket }));
  await expect(
    s3.send(new GetBucketLifecycleConfigurationCommand({ Bucket })),
  ).rejects.toMatchObject({ name: 'NoSuchLifecycleConfiguration' });
});
