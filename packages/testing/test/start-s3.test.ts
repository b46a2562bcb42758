import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import {
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  ListBucketsCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { createNodeEnv } from '@holdfast/env/node';
import { expect, test } from 'vitest';
import type { S3Instance } from '../src/start-s3.ts';
import { startS3 } from '../src/start-s3.ts';

const MIB = 1024 * 1024;

async function withClient<Result>(
  s3: S3Instance,
  use: (client: S3Client) => Promise<Result>,
): Promise<Result> {
  const client = new S3Client(s3.clientConfig);
  try {
    return await use(client);
  } finally {
    client.destroy();
  }
}

const put = (s3: S3Instance, Bucket: string, Key: string, Body: string | Uint8Array) =>
  withClient(s3, (client) => client.send(new PutObjectCommand({ Bucket, Key, Body })));
const get = (s3: S3Instance, Bucket: string, Key: string) =>
  withClient(s3, async (client) => {
    const answer = await client.send(new GetObjectCommand({ Bucket, Key }));
    return answer.Body?.transformToString();
  });
const keys = (s3: S3Instance, Bucket: string) =>
  withClient(s3, async (client) => {
    const page = await client.send(new ListObjectsV2Command({ Bucket }));
    return (page.Contents ?? []).map(({ Key }) => Key);
  });
const buckets = (s3: S3Instance) =>
  withClient(s3, async (client) => {
    const page = await client.send(new ListBucketsCommand());
    return (page.Buckets ?? []).map(({ Name }) => Name);
  });

test('what is put with the SDK can be read, small and large', async () => {
  await using s3 = await startS3({ buckets: ['photos'] });
  await put(s3, 'photos', 'small', 'hello');
  await put(s3, 'photos', 'large', new Uint8Array(3 * MIB).fill(97));
  expect(await get(s3, 'photos', 'small')).toBe('hello');
  expect(await get(s3, 'photos', 'large')).toBe('a'.repeat(3 * MIB));
});

test('two at once share nothing', async () => {
  await using one = await startS3({ buckets: ['same'] });
  await using two = await startS3({ buckets: ['same'] });
  expect(one.port).not.toBe(two.port);
  await put(one, 'same', 'key', 'of one');
  expect(await keys(two, 'same')).toEqual([]);
  await put(two, 'same', 'key', 'of two');
  expect(await get(one, 'same', 'key')).toBe('of one');
  await one.close();
  expect(await get(two, 'same', 'key')).toBe('of two');
});

test('twenty at once start and stop', async () => {
  const instances = await Promise.all(Array.from({ length: 20 }, () => startS3()));
  expect(new Set(instances.map(({ port }) => port)).size).toBe(20);
  await Promise.all(instances.map((s3) => s3.close()));
});

test('reset deletes objects, uploads and other buckets, and makes its own buckets again', async () => {
  await using s3 = await startS3({ buckets: ['mine'] });
  await withClient(s3, async (client) => {
    await client.send(new CreateBucketCommand({ Bucket: 'other' }));
    const upload = { Bucket: 'mine', Key: 'upload' };
    const { UploadId } = await client.send(new CreateMultipartUploadCommand(upload));
    const Body = new Uint8Array(MIB);
    await client.send(new UploadPartCommand({ ...upload, UploadId, PartNumber: 1, Body }));
  });
  await Promise.all(Array.from({ length: 50 }, (_, at) => put(s3, 'other', `k${at}`, 'x')));
  await put(s3, 'mine', 'large', new Uint8Array(2 * MIB));
  await s3.reset();
  expect(await buckets(s3)).toEqual(['mine']);
  expect(await keys(s3, 'mine')).toEqual([]);
  const uploads = await withClient(s3, (client) =>
    client.send(new ListMultipartUploadsCommand({ Bucket: 'mine' })),
  );
  expect(uploads.Uploads ?? []).toEqual([]);
  await put(s3, 'mine', 'after', 'works');
  expect(await get(s3, 'mine', 'after')).toBe('works');
  // Made as at the start, so ACLs are off.
  const open = new PutObjectCommand({ Bucket: 'mine', Key: 'a', ACL: 'public-read' });
  await expect(withClient(s3, (client) => client.send(open))).rejects.toThrow('ACLs');
});

test('a reset empties also what a test did not wait for, and several at once all succeed', async () => {
  await using s3 = await startS3({ buckets: ['photos'] });
  await withClient(s3, async (client) => {
    for (let round = 0; round < 20; round++) {
      const puts = Array.from({ length: 30 }, (_, at) =>
        client.send(new PutObjectCommand({ Bucket: 'photos', Key: String(at), Body: 'x' })),
      );
      const ended = Promise.allSettled(puts);
      await puts[round];
      await s3.reset();
      await ended;
    }
  });
  await Promise.all([s3.reset(), s3.reset(), s3.reset()]);
  expect(await keys(s3, 'photos')).toEqual([]);
});

test('a bucket that is named twice is made once, also by a reset', async () => {
  await using s3 = await startS3({ buckets: ['photos', 'photos'] });
  await s3.reset();
  expect(await buckets(s3)).toEqual(['photos']);
});

test('reset deletes what is locked, for good or under a legal hold', async () => {
  await using s3 = await startS3({ buckets: [] });
  const client = new S3Client(s3.clientConfig);
  const Bucket = 'locked';
  await client.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: true }));
  const lock = {
    ObjectLockMode: 'COMPLIANCE',
    ObjectLockRetainUntilDate: new Date('2900-01-01'),
    ObjectLockLegalHoldStatus: 'ON',
  } as const;
  await client.send(new PutObjectCommand({ Bucket, Key: 'a', Body: 'x', ...lock }));
  await client.send(new DeleteObjectCommand({ Bucket, Key: 'a' }));
  await s3.reset();
  const { Buckets = [] } = await client.send(new ListBucketsCommand({}));
  expect(Buckets).toEqual([]);
  client.destroy();
});

test('in a folder the data is there again at the next start, and in memory no folder is made', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-testing-'));
  try {
    {
      await using s3 = await startS3({ directory, buckets: ['kept'] });
      await put(s3, 'kept', 'key', 'still here');
    }
    await using again = await startS3({ directory, buckets: ['kept'] });
    expect(await get(again, 'kept', 'key')).toBe('still here');
  } finally {
    await rm(directory, { recursive: true });
  }
  expect(existsSync('/holdfast')).toBe(false);
});

test('credentials and region of the options are the ones that are asked for', async () => {
  const credentials = { accessKeyId: 'somebody', secretAccessKey: 'a-secret-of-my-own' };
  await using s3 = await startS3({ credentials, region: 'eu-west-1', buckets: ['abc'] });
  expect(s3.clientConfig).toEqual({
    endpoint: s3.endpoint,
    region: 'eu-west-1',
    credentials,
    forcePathStyle: true,
  });
  await put(s3, 'abc', 'k', 'v');
  const stranger = { ...s3.clientConfig, credentials: { ...credentials, secretAccessKey: 'no' } };
  await expect(
    withClient({ ...s3, clientConfig: stranger }, (client) =>
      client.send(new ListBucketsCommand()),
    ),
  ).rejects.toMatchObject({ name: 'SignatureDoesNotMatch' });
});

test('a start that fails says why', async () => {
  await using s3 = await startS3();
  await expect(startS3({ port: s3.port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
  await expect(startS3({ buckets: ['Not A Bucket'] })).rejects.toMatchObject({
    code: 'InvalidBucketName',
  });
});

test('after close no handle, timer, worker or thread is left, and the process ends by itself', async () => {
  const script = fileURLToPath(new URL('./leave-nothing.ts', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [script], { timeout: 30_000 });
  const { before, after } = JSON.parse(stdout) as { before: unknown; after: unknown };
  expect(after).toEqual(before);
});

test('a start takes less than 100 ms', async () => {
  const { clock } = await createNodeEnv();
  const workMs: number[] = [];
  const durationsMs: number[] = [];
  // Why not eleven alone: who shares a machine may wait for its processors in each of them, but not in all of a hundred.
  while (durationsMs.length < 11 || (Math.min(...durationsMs) >= 100 && durationsMs.length < 100)) {
    const startMs = clock.monotonicMs();
    const before = process.cpuUsage();
    await using s3 = await startS3({ buckets: ['abc'] });
    const { user, system } = process.cpuUsage(before);
    durationsMs.push(clock.monotonicMs() - startMs);
    workMs.push((user + system) / 1000);
    expect(s3.port).toBeGreaterThan(0);
  }
  const medianMs = workMs.toSorted((a, b) => a - b)[workMs.length >> 1] ?? Infinity;
  const leastMs = Math.min(...durationsMs);
  process.stdout.write(`start: ${medianMs.toFixed(1)} ms of work, ${leastMs.toFixed(1)} ms\n`);
  expect(medianMs).toBeLessThan(100);
  expect(leastMs).toBeLessThan(100);
});
