import {
  CreateBucketCommand,
  DeleteBucketCommand,
  GetBucketLocationCommand,
  GetBucketVersioningCommand,
  HeadBucketCommand,
  ListBucketsCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { expect, test } from 'vitest';
import { send } from './raw-client.ts';
import { OWNER_ID, startTestServer } from './test-server.ts';

test('a bucket is created, headed, located, listed and deleted', async () => {
  await using server = await startTestServer();
  const s3 = server.client();
  const created = await s3.send(new CreateBucketCommand({ Bucket: 'first' }));
  expect(created.Location).toBe('/first');
  const head = await s3.send(new HeadBucketCommand({ Bucket: 'first' }));
  expect(head.BucketRegion).toBe('us-east-1');
  const location = await s3.send(new GetBucketLocationCommand({ Bucket: 'first' }));
  expect(location.LocationConstraint).toBeUndefined();
  const versioning = await s3.send(new GetBucketVersioningCommand({ Bucket: 'first' }));
  expect(versioning.Status).toBeUndefined();
  const list = await s3.send(new ListBucketsCommand({}));
  expect(list.Buckets?.map(({ Name }) => Name)).toEqual(['first']);
  expect(list.Owner).toEqual({ ID: OWNER_ID, DisplayName: 'tester' });
  await s3.send(new DeleteBucketCommand({ Bucket: 'first' }));
  await expect(s3.send(new HeadBucketCommand({ Bucket: 'first' }))).rejects.toMatchObject({
    $metadata: { httpStatusCode: 404 },
  });
});

test('ListBuckets pages with max-buckets, prefix and an opaque token', async () => {
  await using server = await startTestServer();
  const s3 = server.client();
  for (const Bucket of ['log-a', 'log-b', 'log-c', 'other']) {
    await s3.send(new CreateBucketCommand({ Bucket }));
  }
  const first = await s3.send(new ListBucketsCommand({ MaxBuckets: 2, Prefix: 'log-' }));
  expect(first.Buckets?.map(({ Name }) => Name)).toEqual(['log-a', 'log-b']);
  expect(first.ContinuationToken).not.toContain('log');
  const again = new ListBucketsCommand({ MaxBuckets: 2, Prefix: 'log-', ContinuationToken: '' });
  expect((await s3.send(again)).Buckets).toEqual(first.Buckets);
  const second = await s3.send(
    new ListBucketsCommand({
      MaxBuckets: 2,
      Prefix: 'log-',
      ContinuationToken: first.ContinuationToken,
    }),
  );
  expect(second.Buckets?.map(({ Name }) => Name)).toEqual(['log-c']);
  expect(second.ContinuationToken).toBeUndefined();
  for (const MaxBuckets of [0, 10_001]) {
    const outside = s3.send(new ListBucketsCommand({ MaxBuckets }));
    await expect(outside).rejects.toMatchObject({ name: 'InvalidArgument' });
  }
});

test('in us-east-1, or where the operator says so, the owner may create a bucket again; elsewhere it is 409', async () => {
  await using east = await startTestServer();
  await using open = await startTestServer({ region: 'us-west-2', recreateBuckets: true });
  for (const place of [east, east, open, open]) {
    await place.client().send(new CreateBucketCommand({ Bucket: 'again' }));
  }
  const location = await open.client().send(new GetBucketLocationCommand({ Bucket: 'again' }));
  expect(location.LocationConstraint).toBe('us-west-2');
  await using west = await startTestServer({ region: 'us-west-2' });
  const s3 = west.client();
  await s3.send(new CreateBucketCommand({ Bucket: 'again' }));
  await expect(s3.send(new CreateBucketCommand({ Bucket: 'again' }))).rejects.toMatchObject({
    name: 'BucketAlreadyOwnedByYou',
    message: 'Your previous request to create the named bucket succeeded and you already own it.',
    $metadata: { httpStatusCode: 409 },
  });
});

test('a location constraint must be the region of the endpoint, and is given back', async () => {
  await using server = await startTestServer({ region: 'eu-central-1' });
  const s3 = server.client();
  const create = (LocationConstraint: 'eu-central-1' | 'us-west-1') =>
    s3.send(
      new CreateBucketCommand({
        Bucket: 'here',
        CreateBucketConfiguration: { LocationConstraint },
      }),
    );
  await expect(create('us-west-1')).rejects.toMatchObject({
    name: 'IllegalLocationConstraintException',
    message:
      'The us-west-1 location constraint is incompatible for the region specific endpoint this request was sent to.',
    $metadata: { httpStatusCode: 400 },
  });
  await create('eu-central-1');
  const location = await s3.send(new GetBucketLocationCommand({ Bucket: 'here' }));
  expect(location.LocationConstraint).toBe('eu-central-1');
});

test('a bucket with an object is not deleted', async () => {
  await using server = await startTestServer();
  const s3 = server.client();
  await s3.send(new CreateBucketCommand({ Bucket: 'full' }));
  await s3.send(new PutObjectCommand({ Bucket: 'full', Key: 'k', Body: 'v' }));
  await expect(s3.send(new DeleteBucketCommand({ Bucket: 'full' }))).rejects.toMatchObject({
    name: 'BucketNotEmpty',
    $metadata: { httpStatusCode: 409 },
  });
});

test('a bucket name that S3 forbids is InvalidBucketName', async () => {
  await using server = await startTestServer();
  for (const name of ['ab', 'Upper', 'under_score', '192.168.5.4', 'a..b']) {
    const answer = await send(server, { method: 'PUT', path: `/${name}` });
    expect([name, answer.status, answer.code]).toEqual([name, 400, 'InvalidBucketName']);
    expect(answer.message).toBe('The specified bucket is not valid.');
    expect(answer.element('BucketName')).toBe(name);
  }
});

test('malformed XML creates no bucket', async () => {
  await using server = await startTestServer();
  const open = '<CreateBucketConfiguration>';
  const bodies = [
    'not xml',
    '<CreateBucketConfiguration>',
    '<Other/>',
    `${open}<Unknown/></CreateBucketConfiguration>`,
    `${open}text</CreateBucketConfiguration>`,
    `${open}<LocationConstraint>a</LocationConstraint><LocationConstraint>a</LocationConstraint></CreateBucketConfiguration>`,
    `<!DOCTYPE x [<!ENTITY e "us-east-1">]>${open}<LocationConstraint>&e;</LocationConstraint></CreateBucketConfiguration>`,
    `${open}<LocationConstraint>&nbsp;</LocationConstraint></CreateBucketConfiguration>`,
    `${'<a>'.repeat(200)}${'</a>'.repeat(200)}`,
  ];
  for (const body of bodies) {
    const answer = await send(server, { method: 'PUT', path: '/broken', body });
    expect([body.slice(0, 60), answer.status, answer.code]).toEqual([
      body.slice(0, 60),
      400,
      'MalformedXML',
    ]);
    expect(answer.message).toBe(
      'The XML you provided was not well-formed or did not validate against our published schema',
    );
  }
  const head = await send(server, { method: 'HEAD', path: '/broken' });
  expect(head.status).toBe(404);
});
