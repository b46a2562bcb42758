import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type LaggingServer, OWNER_ID, startLaggingServer } from './test-server.ts';
import type { TestUser } from './test-users.ts';

const Bucket = 'bucket';
const Key = 'key';
const PLACE = { ownerId: OWNER_ID, region: 'us-east-1' };
const secretAccessKey = 'a-secret-of-a-test';

/** Somebody of another account: only the bucket's policy lets him in. */
const GUEST: TestUser = {
  account: { id: 'b'.repeat(64), displayName: 'guest' },
  name: 'guest',
  accessKeyId: 'GUEST',
  secretAccessKey,
};

let server: LaggingServer;
let client: S3Client;
let guest: S3Client;

beforeEach(async () => {
  server = await startLaggingServer({ users: [GUEST] });
  client = server.client();
  guest = server.client({ credentials: { accessKeyId: GUEST.accessKeyId, secretAccessKey } });
  // The node hears of this one, since it is asked for it; of what the tests do elsewhere it does not.
  await server.elsewhere.createBucket(Bucket, PLACE);
  await expect(client.send(new HeadObjectCommand({ Bucket, Key }))).rejects.toThrow();
});

afterEach(async () => {
  await server.elsewhere.close();
  await server[Symbol.asyncDispose]();
});

/** As another node takes it. */
async function putElsewhere(text: string): Promise<string> {
  const pieces = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
    yield Buffer.from(text);
  };
  const body = { sizeBytes: text.length, pieces: pieces() };
  const { etag } = await server.elsewhere.putObject({
    bucket: Bucket,
    key: Key,
    body,
    metadata: { user: {} },
  });
  return `"${etag}"`;
}

async function textThere(): Promise<string | undefined> {
  const found = await client.send(new GetObjectCommand({ Bucket, Key }));
  return await found.Body?.transformToString();
}

async function keysThere(): Promise<readonly string[]> {
  const { objects } = await server.elsewhere.listObjects({ bucket: Bucket, limit: 10 });
  return objects.map(({ key }) => key);
}

function policy(effect: 'Allow' | 'Deny', more: object = {}): string {
  const Resource = `arn:aws:s3:::${Bucket}/*`;
  const Action = ['s3:PutObject', 's3:DeleteObject', 's3:DeleteObjectVersion'];
  return JSON.stringify({
    Version: '2012-10-17',
    Statement: [{ Effect: effect, Principal: '*', Action, Resource, ...more }],
  });
}

test('a small put and a delete of what the node knows ask no other node; a read asks once', async () => {
  const before = server.node.questions;
  await client.send(new PutObjectCommand({ Bucket, Key, Body: 'small' }));
  await client.send(new DeleteObjectCommand({ Bucket, Key }));
  await client.send(new PutObjectCommand({ Bucket, Key, Body: 'again' }));
  expect(server.node.questions).toBe(before);
  expect(await textThere()).toBe('again');
  expect(server.node.questions).toBe(before + 1);
});

test('a put of up to a MiB asks no other node, and a larger one asks once', async () => {
  const MIB = 1024 * 1024;
  const Body = Buffer.alloc(MIB, 'large');
  const before = server.node.questions;
  await client.send(new PutObjectCommand({ Bucket, Key, Body }));
  expect(server.node.questions).toBe(before);
  await client.send(
    new PutObjectCommand({ Bucket, Key, Body: Buffer.alloc(1.25 * MIB, 'larger') }),
  );
  expect(server.node.questions).toBe(before + 1);
});

test('get, head and list show what another node was just answered', async () => {
  await putElsewhere('new');
  expect(await textThere()).toBe('new');
  await server.elsewhere.deleteObject({ bucket: Bucket, key: Key });
  await expect(client.send(new HeadObjectCommand({ Bucket, Key }))).rejects.toMatchObject({
    name: 'NotFound',
  });
  await putElsewhere('newer');
  const { Contents } = await client.send(new ListObjectsV2Command({ Bucket }));
  expect(Contents?.map(({ Size }) => Size)).toEqual([5]);
});

test('If-None-Match: an object that only others know refuses the put', async () => {
  await putElsewhere('first');
  const put = client.send(new PutObjectCommand({ Bucket, Key, Body: 'second', IfNoneMatch: '*' }));
  await expect(put).rejects.toMatchObject({ name: 'PreconditionFailed' });
  expect(await textThere()).toBe('first');
});

test('If-None-Match: an object that only this node still knows refuses nothing', async () => {
  await client.send(new PutObjectCommand({ Bucket, Key, Body: 'first' }));
  await server.elsewhere.deleteObject({ bucket: Bucket, key: Key });
  await client.send(new PutObjectCommand({ Bucket, Key, Body: 'second', IfNoneMatch: '*' }));
  expect(await textThere()).toBe('second');
});

test('If-Match is judged by the newest object, whatever the node knows', async () => {
  const { ETag: old } = await client.send(new PutObjectCommand({ Bucket, Key, Body: 'first' }));
  const IfMatch = await putElsewhere('second');
  await client.send(new PutObjectCommand({ Bucket, Key, Body: 'third', IfMatch }));
  expect(await textThere()).toBe('third');
  await putElsewhere('fourth');
  const put = client.send(new PutObjectCommand({ Bucket, Key, Body: 'fifth', IfMatch: old }));
  await expect(put).rejects.toMatchObject({ name: 'PreconditionFailed' });
  const { ETag: last } = await client.send(new HeadObjectCommand({ Bucket, Key }));
  await putElsewhere('sixth');
  const removal = client.send(new DeleteObjectCommand({ Bucket, Key, IfMatch: last }));
  await expect(removal).rejects.toMatchObject({ name: 'PreconditionFailed' });
  expect(await textThere()).toBe('sixth');
});

test('a bucket that is gone takes no put, and one that was made anew takes it', async () => {
  await server.elsewhere.deleteBucket(Bucket);
  const put = new PutObjectCommand({ Bucket, Key, Body: 'body' });
  await expect(client.send(put)).rejects.toMatchObject({ name: 'NoSuchBucket' });
  await server.elsewhere.createBucket(Bucket, PLACE);
  await client.send(put);
  expect(await keysThere()).toEqual([Key]);
});

test('a bucket that only others know takes a put', async () => {
  await server.elsewhere.createBucket('other', PLACE);
  await client.send(new PutObjectCommand({ Bucket: 'other', Key, Body: 'body' }));
  const found = await server.elsewhere.headObject({ bucket: 'other', key: Key });
  expect(found.sizeBytes).toBe(4);
});

test('a delete finds what only others know', async () => {
  await putElsewhere('there');
  await client.send(new DeleteObjectCommand({ Bucket, Key }));
  expect(await keysThere()).toEqual([]);
});

test('versioning that another node switched on keeps the version that a put replaces', async () => {
  await client.send(new PutObjectCommand({ Bucket, Key, Body: 'first' }));
  await server.elsewhere.putBucketVersioning(Bucket, 'Enabled');
  const { VersionId } = await client.send(new PutObjectCommand({ Bucket, Key, Body: 'second' }));
  expect(VersionId).toBeDefined();
  const old = await client.send(new GetObjectCommand({ Bucket, Key, VersionId: 'null' }));
  expect(await old.Body?.transformToString()).toBe('first');
  await server.elsewhere.putBucketVersioning(Bucket, 'Suspended');
  const { DeleteMarker } = await client.send(new DeleteObjectCommand({ Bucket, Key }));
  expect(DeleteMarker).toBe(true);
});

test('object lock that another node set protects what is put, and from deletion', async () => {
  await server.elsewhere.putBucketVersioning(Bucket, 'Enabled');
  const open = await client.send(new PutObjectCommand({ Bucket, Key, Body: 'open' }));
  await server.elsewhere.putBucketObjectLock(Bucket, { mode: 'COMPLIANCE', days: 1 });
  const locked = await client.send(new PutObjectCommand({ Bucket, Key, Body: 'locked' }));
  await server.elsewhere.putObjectLegalHold(
    { bucket: Bucket, key: Key, versionId: open.VersionId as string },
    'ON',
  );
  for (const VersionId of [open.VersionId, locked.VersionId]) {
    const removal = client.send(new DeleteObjectCommand({ Bucket, Key, VersionId }));
    await expect(removal).rejects.toMatchObject({ name: 'AccessDenied' });
  }
});

test('a version that only others know is deleted', async () => {
  await server.elsewhere.putBucketVersioning(Bucket, 'Enabled');
  await client.send(new PutObjectCommand({ Bucket, Key, Body: 'first' }));
  await putElsewhere('second');
  const address = { bucket: Bucket, key: Key };
  const { versionId: VersionId } = await server.elsewhere.headObject(address);
  await client.send(new DeleteObjectCommand({ Bucket, Key, VersionId }));
  expect(await textThere()).toBe('first');
});

test('who was let in by another node gets in, and who was shut out there is refused', async () => {
  const put = new PutObjectCommand({ Bucket, Key, Body: 'body' });
  const removal = new DeleteObjectCommand({ Bucket, Key });
  const denied = { name: 'AccessDenied' };
  await server.elsewhere.putBucketSetting(Bucket, 'policy', policy('Allow'));
  await guest.send(put);
  await server.elsewhere.putBucketSetting(Bucket, 'policy', undefined);
  await expect(guest.send(removal)).rejects.toMatchObject(denied);
  await server.elsewhere.putBucketSetting(Bucket, 'policy', policy('Allow'));
  await guest.send(removal);
  await server.elsewhere.putBucketSetting(Bucket, 'policy', undefined);
  await expect(guest.send(put)).rejects.toMatchObject(denied);
  expect(await keysThere()).toEqual([]);
});

test('who was shut out by another node deletes no version', async () => {
  await server.elsewhere.putBucketVersioning(Bucket, 'Enabled');
  await server.elsewhere.putBucketSetting(Bucket, 'policy', policy('Allow'));
  const { VersionId } = await guest.send(new PutObjectCommand({ Bucket, Key, Body: 'body' }));
  await server.elsewhere.putBucketSetting(Bucket, 'policy', undefined);
  const removal = guest.send(new DeleteObjectCommand({ Bucket, Key, VersionId }));
  await expect(removal).rejects.toMatchObject({ name: 'AccessDenied' });
  expect(await keysThere()).toEqual([Key]);
});

test('a policy about the tags of an object is asked about those that it has now', async () => {
  const secret = { StringEquals: { 's3:ExistingObjectTag/kind': 'secret' } };
  await server.elsewhere.putBucketSetting(Bucket, 'policy', policy('Deny', { Condition: secret }));
  await client.send(new PutObjectCommand({ Bucket, Key, Body: 'plain' }));
  await server.elsewhere.putObjectTagging({ bucket: Bucket, key: Key }, 'kind=secret');
  const put = client.send(new PutObjectCommand({ Bucket, Key, Body: 'over it' }));
  await expect(put).rejects.toMatchObject({ name: 'AccessDenied' });
  expect(await textThere()).toBe('plain');
});

test.each([100_000, 1_048_576])(
  'a body of %i bytes with a checksum is taken the second time as it was the first',
  async (sizeBytes) => {
    await server.elsewhere.putBucketVersioning(Bucket, 'Enabled');
    const Body = '0123456789'.repeat(sizeBytes / 10 + 1).slice(0, sizeBytes);
    const put = new PutObjectCommand({ Bucket, Key, Body, ChecksumAlgorithm: 'SHA256' });
    const { VersionId } = await client.send(put);
    expect(VersionId).toBeDefined();
    expect(await textThere()).toBe(Body);
  },
);
